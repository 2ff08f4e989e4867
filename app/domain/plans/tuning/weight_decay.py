"""Weight decay: a sweep for each rung of a ladder, then short trainings of those that allow the largest rate.

The largest decay that still allows the largest learning rate regularises most (Smith 2018, arXiv:1803.09820, sec. 4.4).
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from app.domain.plans.family import Children, NewChild, Planned, at_rate
from app.domain.plans.tuning.batch_size import size_of
from app.domain.plans.tuning.stage import Decision, as_good_as_best, have_ended, rows, sweep, told, tried
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import short
from app.domain.weight_decay import weight_decay_prior

PLACE = "optimizer.weight_decay"
LADDER = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  #: times the prior
DECADES = 0.15  #: by which the edge of a decay may lie below the largest
MOST_TRIED = 3


class WeightDecayStage:
    """Finds its prior with the rate of one sweep, and looks around it."""

    name = "weight_decay"
    most_sweeps, most_trials = 8, 4  #: that are counted before any has begun

    def __init__(self, *, epochs: int, steps: int, given: int, has_batch_norm: bool, reuse: bool) -> None:
        """`steps` an epoch are those of the batch size that was `given`; another may have been chosen since."""
        self._epochs, self._steps, self._given, self._has_batch_norm = epochs, steps, given, has_batch_norm
        self._new = partial(NewChild, reuse=reuse)

    def planned(self, training: TrainingSpec) -> Sequence[Planned]:
        """The sweeps, and short trainings that take their rates from those."""
        trial = short(training, self._epochs, {})
        return [Planned(sweep(training, {}), self.most_sweeps), Planned(trial, self.most_trials)]

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """The sweep at the decay that the training has, those of the ladder, and the short trainings."""
        first = self._new(f"{self.name}/sweep/given", sweep(training, {}))
        ladder = self._ladder(training, children)
        sweeps = [first, *(self._new(self._sweep_key(decay), sweep(training, {PLACE: decay})) for decay in ladder)]
        if not ladder or not have_ended(sweeps, children):
            return sweeps
        chosen = self._surviving(ladder, children)
        return [*sweeps, *(self._trial(training, decay, rate) for decay, rate in chosen.items())]

    def _trial(self, training: TrainingSpec, decay: float, rate: float) -> NewChild:
        """With the rate that the decay's own sweep picks, so that none is tried at another's."""
        return NewChild(self._trial_key(decay), short(at_rate(training, rate), self._epochs, {PLACE: decay}))

    def decide(self, training: TrainingSpec, children: Children) -> Decision:
        """The largest decay whose short training is as good as the best."""
        ladder = self._ladder(training, children)
        found = tried(children, {decay: self._trial_key(decay) for decay in ladder})
        good = as_good_as_best(found)
        evidence = [*self._swept(ladder, children), *rows(found)]
        if not good:
            return Decision(self.name, {}, "No short training told of any decay, so it stays as it was.", evidence)
        decay = max(one.value for one in good)
        reason = (
            f"{self._prior(training, children)} Of a ladder around that, those that allow the largest rate ended short "
            f"trainings with these validation losses: {told(found)}. {decay:.3g} is the largest as good as the best."
        )
        return Decision(self.name, {PLACE: decay}, reason, evidence)

    def _ladder(self, training: TrainingSpec, children: Children) -> list[float]:
        """Around the prior; nothing as long as its sweep has not ended, or where that failed."""
        first = children.get(f"{self.name}/sweep/given")
        if first is None or first.result is None:
            return []
        prior = self._prior_at(training, float(first.result["max_lr"])).weight_decay or 1e-4
        return [float(f"{prior * factor:.2g}") for factor in LADDER]

    def _prior(self, training: TrainingSpec, children: Children) -> str:
        rate = float((children[f"{self.name}/sweep/given"].result or {})["max_lr"])
        prior = self._prior_at(training, rate)
        return f"The prior is {prior.weight_decay:.2g}: {prior.reason}."

    def _prior_at(self, training: TrainingSpec, rate: float) -> Any:  # noqa: ANN401
        return weight_decay_prior(
            training.optimizer,
            training.schedule,
            max_lr=rate,
            epochs=training.epochs,
            steps_per_epoch=max(1, self._steps * self._given // size_of(training)),
            has_batch_norm=self._has_batch_norm,
        )

    def _surviving(self, ladder: Sequence[float], children: Children) -> dict[float, float]:
        """The largest decays whose edge is as far up as any other's, with the rate that their sweep picks."""
        found = {decay: children[self._sweep_key(decay)].result for decay in ladder}
        edges = {decay: _edge(result) for decay, result in found.items() if result is not None}
        largest = max(edges.values(), default=0.0)
        kept = [decay for decay, edge in edges.items() if edge > 0 and math.log10(largest / edge) <= DECADES]
        return {decay: float((found[decay] or {})["max_lr"]) for decay in sorted(kept)[-MOST_TRIED:]}

    def _swept(self, ladder: Sequence[float], children: Children) -> list[dict[str, Any]]:
        found = [(decay, children.get(self._sweep_key(decay))) for decay in ladder]
        return [
            {"value": decay, "job_id": child.id, "edge": _edge(child.result), "max_lr": child.result["max_lr"]}
            for decay, child in found
            if child is not None and child.result is not None
        ]

    def _sweep_key(self, decay: float) -> str:
        return f"{self.name}/sweep/{decay:g}"

    def _trial_key(self, decay: float) -> str:
        return f"{self.name}/trial/{decay:g}"


def _edge(result: Any) -> float:  # noqa: ANN401
    """The largest rate with a loss as low as the minimum's; where the curve has none, the pick."""
    return float(result["landmarks"].get("edge") or result["max_lr"])
