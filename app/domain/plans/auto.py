"""From a data set to a trained model: a tuning, a training with what that has chosen, and a comparison if asked for.

The tuning and the comparison are plans themselves.
"""

import math
from collections.abc import Mapping
from typing import Any

from app.domain.plans.family import Child, Children, NewChild, Planned, Step, StepsPerEpoch
from app.domain.plans.tuning.plan import TuningPlan
from app.domain.plans.tuning.searching import Propose
from app.domain.specs.auto import USUAL_EPOCHS, AutoSpec, comparison_of, tuning_of
from app.domain.specs.training import TrainingSpec, as_training

SEARCH_SHARE = 0.3  #: that a training's own search for max_lr takes besides, at most
FEWEST_EPOCHS, MOST_EPOCHS = 2, 200


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
        training = as_training(self.spec, epochs=self.spec.epochs or USUAL_EPOCHS)
        planned = [Planned(training, 0)]  # what is wrong with it is said of it as it was given
        if self.spec.tune:
            tuning = tuning_of(self.spec)
            planned.append(Planned(tuning, 1, searching=1))
            size = TuningPlan(tuning).smallest_batch(resolved)
            training = training.model_copy(update={"batch_size": size, "epochs": self.spec.epochs or MOST_EPOCHS})
        planned.append(Planned(training, 1, searching=1))
        return [*planned, Planned(comparison_of(training), 1, searching=1)] if self.spec.compare else planned

    def advance(self, _: Mapping[str, Any], children: Children, __: Propose) -> Step:
        """One after the other; a tuning that failed leaves the training as it was given."""
        total = bool(self.spec.tune) + 1 + self.spec.compare
        new = next((one for one in self._wanted(children) if one.key not in children), None)
        is_busy = any(not child.ended for child in children.values())
        if is_busy or new is None:
            return Step([], total, is_over=not is_busy)
        return Step([new], total, is_over=False)

    def _wanted(self, children: Children) -> list[NewChild]:
        """What comes after what has ended."""
        wanted = [NewChild("tuning", tuning_of(self.spec))] if self.spec.tune else []
        if self.spec.tune and not _has_ended(children.get("tuning")):
            return wanted
        training = self._training(children)
        wanted.append(NewChild("training", training))
        trained = children.get("training")
        if self.spec.compare and trained is not None and trained.succeeded:
            wanted.append(NewChild("comparison", comparison_of(training)))
        return wanted

    def _training(self, children: Children) -> TrainingSpec:
        """With what was chosen, over as many epochs as fit."""
        tuning = children.get("tuning")
        result = tuning.result if tuning is not None else None
        given = as_training(self.spec, epochs=USUAL_EPOCHS)
        chosen = TrainingSpec.model_validate(result["training"]) if result else given
        return chosen.model_copy(update={"epochs": self.spec.epochs or self._fitting(result, tuning)})

    def _fitting(self, result: Mapping[str, Any] | None, tuning: Child | None) -> int:
        seconds = result["seconds_per_epoch"] if result else None
        if not seconds or result is None or tuning is None:
            return USUAL_EPOCHS
        left = float(self.spec.budget_seconds - result["cost"]["seconds"])
        fitting = math.floor(left / (float(seconds) * (1 + SEARCH_SHARE)))
        frozen = self.spec.freeze.epochs if self.spec.freeze else 0
        return max(FEWEST_EPOCHS, frozen + 1, min(MOST_EPOCHS, fitting))


def _has_ended(child: Child | None) -> bool:
    return child is not None and child.ended
