"""Batch-norm momentum: it does not change the weights, so it is picked within the training; a short one shows the gaps.

Running statistics at several momenta are kept beside each other in one run, and the one whose validation loss is
nearest to that with exact statistics wins (app.domain.batch_norm).
"""

from collections.abc import Sequence

from app.domain.plans.family import Children, NewChild, Planned
from app.domain.plans.tuning.stage import Decision
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import short

PLACE = "batch_norm_momentum"


class BatchNormStage:
    """One short training, where there is batch norm."""

    name = "batch_norm_momentum"

    def __init__(self, *, epochs: int, has_batch_norm: bool) -> None:
        self._epochs, self._has_batch_norm = epochs, has_batch_norm

    def planned(self, training: TrainingSpec) -> Sequence[Planned]:
        """The short training."""
        return [Planned(one.spec, 1, searching=1) for one in self.wanted(training, {})]

    def wanted(self, training: TrainingSpec, _: Children) -> Sequence[NewChild]:
        """The short training."""
        return [NewChild(self._key, short(training, self._epochs, {PLACE: "auto"}))] if self._has_batch_norm else []

    def decide(self, _: TrainingSpec, children: Children) -> Decision:
        """Leave it to the training, whose length decides; with what the short one has shown."""
        if not self._has_batch_norm:
            return Decision(self.name, {}, "The network has no batch norm.")
        child = children.get(self._key)
        found = (child.result or {}).get("batch_norm") if child is not None else None
        reason = "It is picked within the training, at no cost to the weights: how long it is decides."
        if child is None or not found:
            return Decision(self.name, {PLACE: "auto"}, reason)
        rule, best = found["rule"], found["momentum"]
        shown = (
            f" A short training had the smallest gap to exact statistics at {best:.3g}, where the rule says {rule:.3g}."
        )
        evidence = [
            {"value": one["momentum"], "job_id": child.id, "validation_loss": one["validation_loss"],
             "validation_accuracy": one["validation_accuracy"], "gap": one["gap"]}
            for one in found["momenta"]
        ]  # fmt: skip
        return Decision(self.name, {PLACE: "auto"}, reason + shown, evidence)

    @property
    def _key(self) -> str:
        return f"{self.name}/trial/auto"
