"""Which learning rate of a range test becomes max_lr: our own rule's, or a landmark that the user prefers."""

from dataclasses import dataclass

from app.domain.specs.policies import PickName
from app.domain.suggestion import Suggestion


@dataclass(frozen=True, slots=True)
class Pick:
    """A largest learning rate, why it is that, and what is wrong with it where something is."""

    max_lr: float
    reason: str
    warning: str | None = None
    fallback: float | None = None  #: where it is a landmark: our own rule's rate, should a training diverge at it


def pick_from(suggestion: Suggestion, wanted: PickName) -> Pick:
    """The rate that `wanted` names; a landmark that the curve does not have gives way to our own rule."""
    if wanted in ("best", "margin"):
        return Pick(suggestion.max_lr, suggestion.reason)
    rate: float | None = getattr(suggestion.landmarks, wanted)
    if rate is None:
        warning = f"The range test shows no landmark {wanted}, so max_lr follows this service's own rule instead."
        return Pick(suggestion.max_lr, f"{warning} {suggestion.reason}", warning)
    reason = f"{rate:.2g} is the landmark {wanted}, as the spec asks. {suggestion.explanations[wanted]}"
    return Pick(rate, reason, fallback=suggestion.max_lr)
