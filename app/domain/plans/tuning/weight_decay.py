"""Weight decay: a sweep for each rung of a ladder, then short trainings of the one given and of some that survive.

The largest decay that still allows the largest learning rate regularises most (Smith 2018, arXiv:1803.09820, sec. 4.4).
What it does to held-out images is what it is for, so the sweeps look at those.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from app.domain.plans.family import Children, NewChild, Planned, at_rate
from app.domain.plans.tuning.batch_size import steps_of
from app.domain.plans.tuning.stage import Decision, Tried, as_good_as_best, have_ended, rows, sweep, told, tried
from app.domain.plans.tuning.survival import DECADES, NOISE, Swept, spread, survivors
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import short
from app.domain.weight_decay import Prior, weight_decay_prior

PLACE = "optimizer.weight_decay"
LADDER = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  #: times the prior
HELD_OUT = 1  #: steps from look to look: of 100 steps over 7 decades, DECADES is the way of two
MOST_SPREAD = 3  #: survivors that train shortly

_SURVIVING = (
    f"A decay survives whose sweep comes within {100 * NOISE:.0f} % of the smallest held-out loss, with an edge at "
    f"most {DECADES:g} decades below the largest of these."
)


class WeightDecayStage:
    """Finds its prior with the rate of one sweep, and looks around it."""

    name = "weight_decay"
    most_sweeps = 1 + len(LADDER) + 1  #: of the decay given, of the ladder, and between two rungs
    most_trials = 1 + MOST_SPREAD  #: of the decay given, and of survivors

    def __init__(self, *, epochs: int, steps: int, given: int, has_batch_norm: bool, reuse: bool) -> None:
        """`steps` an epoch are those of the batch size that was `given`; another may have been chosen since."""
        self._epochs, self._steps, self._given, self._has_batch_norm = epochs, steps, given, has_batch_norm
        self._new = partial(NewChild, reuse=reuse)

    def planned(self, training: TrainingSpec) -> Sequence[Planned]:
        """The sweeps, and short trainings that take their rates from those."""
        trial = short(training, self._epochs, {})
        return [Planned(sweep(training, {}), self.most_sweeps), Planned(trial, self.most_trials)]

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """The sweep at the decay that the training has, those of the ladder, one between two rungs; short trainings."""
        sweeps = [self._new(self._first, sweep(training, {}, held_out=HELD_OUT))]
        for more in (self._ladder, self._between):
            if not have_ended(sweeps, children):
                return sweeps
            sweeps += [self._sweep(training, decay) for decay in more(training, children)]
        if not have_ended(sweeps, children):
            return sweeps
        return [*sweeps, *(self._trial(training, one) for one in self._chosen(training, children))]

    def _sweep(self, training: TrainingSpec, decay: float) -> NewChild:
        return self._new(self._sweep_key(decay), sweep(training, {PLACE: decay}, held_out=HELD_OUT))

    def _trial(self, training: TrainingSpec, one: Swept) -> NewChild:
        """With the rate that the decay's own sweep picks, so that none is tried at another's."""
        spec = short(at_rate(training, one.max_lr), self._epochs, {PLACE: one.decay})
        return NewChild(self._trial_key(one.decay), spec)

    def decide(self, training: TrainingSpec, children: Children) -> Decision:
        """The largest decay whose short training is as good as the best."""
        swept = self._swept(training, children)
        found = tried(children, {one.decay: self._trial_key(one.decay) for one in swept})
        good = as_good_as_best(found)
        evidence = [*_evidence(swept), *rows(found)]
        if not good:
            return Decision(self.name, {}, "No short training told of any decay, so it stays as it was.", evidence)
        decay = max(one.value for one in good)
        reason = (
            f"{self._prior_told(training, children)} {self._tried_told(training, children, found)} "
            f"Validation losses: {told(found)}. {decay:.3g} is the largest as good as the best."
        )
        return Decision(self.name, {PLACE: decay}, reason, evidence)

    def _prior_told(self, training: TrainingSpec, children: Children) -> str:
        prior = self._prior(training, children)
        return "" if prior is None else f"The prior is {prior.weight_decay:.2g}: {prior.reason}."

    def _tried_told(self, training: TrainingSpec, children: Children, found: Sequence[Tried]) -> str:
        """Which decays trained shortly, and what the others lacked."""
        present, others = self._present_and_others(training, children)
        values = {one.value for one in found}
        name = "what auto would take" if training.optimizer.weight_decay == "auto" else "the decay that was given"
        parts = [f"{name} ({present:.3g})"] if present in values else []
        parts.append(f"{len(values - {present})} of {len(others)} others that survive")
        return f"Short trainings tried {' and '.join(parts)}. {_SURVIVING}"

    # -- what is swept, and what comes of it ---------------------------------------------------------------------------

    def _prior(self, training: TrainingSpec, children: Children) -> Prior | None:
        """At the rate that the first sweep picks; None as long as that has not ended, or where it failed."""
        first = children.get(self._first)
        if first is None or first.result is None:
            return None
        return weight_decay_prior(
            training.optimizer,
            training.schedule,
            max_lr=float(first.result["max_lr"]),
            epochs=training.epochs,
            steps_per_epoch=steps_of(training, self._steps, given=self._given),
            has_batch_norm=self._has_batch_norm,
        )

    def _rungs(self, training: TrainingSpec, children: Children) -> list[float]:
        """Around the prior; nothing without one."""
        prior = self._prior(training, children)
        return [] if prior is None else [_rounded((prior.weight_decay or 1e-4) * factor) for factor in LADDER]

    def _ladder(self, training: TrainingSpec, children: Children) -> list[float]:
        """The rungs to sweep: the decay that was given has been."""
        return [rung for rung in self._rungs(training, children) if not _is_among(rung, _numbers(training))]

    def _present(self, training: TrainingSpec, children: Children) -> float | None:
        """The decay that the training has; of one left open, the rung at the prior."""
        rungs = self._rungs(training, children)
        return next(iter([*_numbers(training), *rungs[LADDER.index(1.0) :]]), None)

    def _between(self, training: TrainingSpec, children: Children) -> list[float]:
        """The geometric mean of the largest survivor and the next larger decay; nothing where there is none."""
        keys = self._keys(training, self._ladder(training, children))
        largest = max((one.decay for one in survivors(_found(keys, children))), default=math.inf)
        above = min((decay for decay in keys if decay > largest), default=0.0)
        middle = _rounded(math.sqrt(largest * above)) if above else 0.0
        return [] if _is_among(middle, [0.0, *keys]) else [middle]

    def _swept(self, training: TrainingSpec, children: Children) -> list[Swept]:
        """What all sweeps have shown, by rising decay."""
        decays = [*self._ladder(training, children), *self._between(training, children)]
        return _found(self._keys(training, decays), children)

    def _chosen(self, training: TrainingSpec, children: Children) -> list[Swept]:
        """The decay that was given, and some of the others that survive, the largest among them."""
        present, others = self._present_and_others(training, children)
        mine = [one for one in self._swept(training, children) if one.decay == present]
        return [*mine, *spread(others, MOST_SPREAD)]

    def _present_and_others(self, training: TrainingSpec, children: Children) -> tuple[float | None, list[Swept]]:
        """The decay that the training has, and the others that survive."""
        present = self._present(training, children)
        return present, [one for one in survivors(self._swept(training, children)) if one.decay != present]

    def _keys(self, training: TrainingSpec, decays: Sequence[float]) -> dict[float, str]:
        """Where these and the decay that was given are swept; one left open is none of them."""
        given = dict.fromkeys(_numbers(training), self._first)
        return given | {decay: self._sweep_key(decay) for decay in decays}

    @property
    def _first(self) -> str:
        return f"{self.name}/sweep/given"

    def _sweep_key(self, decay: float) -> str:
        return f"{self.name}/sweep/{decay:g}"

    def _trial_key(self, decay: float) -> str:
        return f"{self.name}/trial/{decay:g}"


def _numbers(training: TrainingSpec) -> list[float]:
    """The decay that was given, where it was."""
    decay = training.optimizer.weight_decay
    return [] if decay == "auto" else [float(decay)]


def _rounded(decay: float) -> float:
    return float(f"{decay:.2g}")


def _is_among(decay: float, others: Sequence[float]) -> bool:
    """Whether a job for it would have the key of another's."""
    return f"{decay:g}" in {f"{other:g}" for other in others}


def _found(keys: Mapping[float, str], children: Children) -> list[Swept]:
    return [one for decay in sorted(keys) for one in Swept.of(decay, children.get(keys[decay]))]


def _evidence(swept: Sequence[Swept]) -> list[dict[str, Any]]:
    surviving = {one.decay for one in survivors(swept)}
    return [
        {"value": one.decay, "job_id": one.job_id, "edge": one.edge, "max_lr": one.max_lr,
         "held_out_loss": one.lowest_loss, "survives": one.decay in surviving}
        for one in swept
    ]  # fmt: skip
