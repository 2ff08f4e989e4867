"""From a data set to a trained model: a tuning, a training with what that has chosen, and a comparison if asked for.

Where the epochs are open and no tuning has timed one, a training of a single epoch does.

The tuning and the comparison are plans themselves.
"""

import math
from collections.abc import Mapping
from typing import Any

from app.domain.plans.family import Child, Children, NewChild, Planned, Step, StepsPerEpoch, at_rate
from app.domain.plans.tuning.batch_size import size_of, steps_of
from app.domain.plans.tuning.plan import TuningPlan, has_batch_norm
from app.domain.plans.tuning.searching import Propose
from app.domain.plans.tuning.weight_decay import PLACE as DECAY
from app.domain.specs.auto import AutoSpec, comparison_of, fewest_epochs, tuning_of, usual_epochs
from app.domain.specs.training import TrainingSpec, as_training
from app.domain.specs.tuning import changed, short
from app.domain.suggestion import FALLBACK
from app.domain.verification import BUDGET_SHARE
from app.domain.weight_decay import Prior, prior_ratio, weight_decay_prior

TIMING = "timing"
FEWEST_EPOCHS, MOST_EPOCHS = 2, 200

Settled = dict[str, dict[str, Any]]  #: what the training's `resolved` begins with


class AutoPlan:
    """One call from data to report."""

    def __init__(self, spec: AutoSpec) -> None:
        self.spec = spec

    def settle(self, steps_per_epoch: StepsPerEpoch) -> dict[str, dict[str, Any]]:
        """What its tuning needs."""
        return TuningPlan(tuning_of(self.spec)).settle(steps_per_epoch) if self.spec.tune else {}

    def has_outcome(self, children: Children) -> bool:
        """Whether there is a model."""
        return "training" in children and children["training"].succeeded

    def planned(self, resolved: Mapping[str, Any]) -> list[Planned]:
        """A job of each kind that it is made of; the tuning and the comparison say themselves what they make."""
        training = self._given()
        planned = [Planned(training, 0)]  # what is wrong with it is said of it as it was given
        if self.spec.tune:
            tuning = tuning_of(self.spec)
            planned.append(Planned(tuning, 1, searching=1))
            training = training.model_copy(update={"batch_size": TuningPlan(tuning).smallest_batch(resolved)})
        elif self.spec.epochs is None:
            planned.append(Planned(self._timing({}), 1))
        training = training.model_copy(update={"epochs": self.spec.epochs or self._within(MOST_EPOCHS)})
        planned.append(Planned(training, 1, searching=1))
        return [*planned, Planned(comparison_of(training), 1, searching=1)] if self.spec.compare else planned

    def advance(self, resolved: Mapping[str, Any], children: Children, _: Propose) -> Step:
        """One after the other; a tuning that failed leaves the training as it was given."""
        total = bool(self.spec.tune) + (TIMING in children) + 1 + self.spec.compare
        new = next((one for one in self._wanted(resolved, children) if one.key not in children), None)
        is_busy = any(not child.ended for child in children.values())
        if is_busy or new is None:
            return Step([], total, is_over=not is_busy)
        return Step([new], total, is_over=False)

    def _wanted(self, resolved: Mapping[str, Any], children: Children) -> list[NewChild]:
        """What comes after what has ended."""
        wanted = [NewChild("tuning", tuning_of(self.spec))] if self.spec.tune else []
        if self.spec.tune and not _has_ended(children.get("tuning")):
            return wanted
        if self.spec.epochs is None and _seconds_per_epoch(children.get("tuning")) is None:
            wanted.append(NewChild(TIMING, self._timing(children)))
            if not _has_ended(children.get(TIMING)):
                return wanted
        training, settled = self._suiting_its_length(self._training(children), resolved, children)
        wanted.append(NewChild("training", training, settled=settled))
        trained = children.get("training")
        if self.spec.compare and trained is not None and trained.succeeded:
            wanted.append(NewChild("comparison", comparison_of(training)))
        return wanted

    def _suiting_its_length(
        self, training: TrainingSpec, resolved: Mapping[str, Any], children: Children
    ) -> tuple[TrainingSpec, Settled]:
        """With the weight decay that was tuned for another length as the rule has it for this one; and why."""
        values = _result(children.get("tuning")).get("values", {})
        if not values.get(DECAY):  # none was tuned, or it is 0 at any length
            return training, {}
        tuned = as_training(tuning_of(self.spec))
        steps = steps_of(training, int(resolved["steps_per_epoch"]["value"]), given=size_of(tuned))
        return _suiting(training, tuned=tuned.epochs, steps_per_epoch=steps)

    def _training(self, children: Children) -> TrainingSpec:
        """With what was chosen, over as many epochs as fit."""
        return self._chosen(children).model_copy(update={"epochs": self.spec.epochs or self._fitting(children)})

    def _chosen(self, children: Children) -> TrainingSpec:
        """What the tuning says to train; where there is none or it failed, what was given."""
        result = _result(children.get("tuning"))
        return TrainingSpec.model_validate(result["training"]) if result else self._given()

    def _given(self) -> TrainingSpec:
        return as_training(self.spec, epochs=usual_epochs(self.spec))

    def _timing(self, children: Children) -> TrainingSpec:
        """An epoch that tells how long one takes, where the tuning has not, at a rate that hardly ever diverges."""
        chosen = self._chosen(children)
        return short(at_rate(chosen, FALLBACK[chosen.optimizer.name]), 1, {})

    def _fitting(self, children: Children) -> int:
        """Epochs for what is left of the budget; the fewest where nothing tells how long one takes."""
        ended = [children[name] for name in ("tuning", TIMING) if name in children]
        timed = [seconds for one in ended if (seconds := _seconds_per_epoch(one)) is not None]
        left = self.spec.budget_seconds - sum(map(_cost, ended))
        fitting = math.floor(left / (timed[-1] * (1 + BUDGET_SHARE))) if timed else FEWEST_EPOCHS
        return self._within(fitting)

    def _within(self, epochs: int) -> int:
        """Open epochs within their bounds, of which the body's own first one is the stronger."""
        return max(FEWEST_EPOCHS, fewest_epochs(self.spec), min(MOST_EPOCHS, epochs))


def _result(child: Child | None) -> Mapping[str, Any]:
    """What a job has found; nothing where there is none, or it has not ended or failed."""
    return (child.result if child is not None else None) or {}


def _seconds_per_epoch(child: Child | None) -> float | None:
    """As a tuning, or an epoch that was made for it, has found."""
    result = _result(child)
    if "epochs_run" in result:
        return float(result["seconds"] / result["epochs_run"])
    return result.get("seconds_per_epoch")


def _cost(child: Child) -> float:
    """Workers' time that it took: of a tuning, all of its jobs together."""
    return float(_result(child).get("cost", {}).get("seconds", child.seconds))


def _suiting(training: TrainingSpec, *, tuned: int, steps_per_epoch: int) -> tuple[TrainingSpec, Settled]:
    before, after = (_prior(training, epochs, steps_per_epoch) for epochs in (tuned, training.epochs))
    ratio, chosen = prior_ratio(before, after), float(training.optimizer.weight_decay)
    if ratio == 1:
        return training, {}
    decay = float(f"{chosen * ratio:.3g}")
    why = (
        f"The tuning chose {chosen:.3g} for {tuned} epochs; for {training.epochs} the rule of auto makes {ratio:.3g} "
        "times that."
    )
    settled = {"weight_decay": {"value": decay, "origin": "tuning", "reason": why}}
    return changed(training, {DECAY: decay}), settled


def _prior(training: TrainingSpec, epochs: int, steps_per_epoch: int) -> Prior:
    """At any rate: two of them are in the same ratio at all."""
    return weight_decay_prior(
        training.optimizer,
        training.schedule,
        max_lr=1.0,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        has_batch_norm=has_batch_norm(training),
    )


def _has_ended(child: Child | None) -> bool:
    return child is not None and child.ended
