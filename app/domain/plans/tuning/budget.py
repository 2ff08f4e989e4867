"""What a budget still allows: a function of what jobs have cost, so that a tuning that is taken up goes on the same.

A wave's first job runs alone. What it took says how many of the others fit into what is left; these go together. What
is refused once stays refused, since all that is looked at only grows: a stage that was decided is not opened again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.plans.family import Child, Children, NewChild


def affordable(wanted: Sequence[NewChild], children: Children, budget: float | None) -> Sequence[NewChild]:
    """Those to be made now, from the first on; all of them without a budget."""
    if budget is None:
        return wanted
    left, allowed = budget - _cost(children), list[NewChild]()
    for one in wanted:
        length = _length(one.key, children)
        if length is None:
            return allowed or ([one] if _may_run_alone(one, children, left=left) else [])
        if left <= 0 or length > left:
            break
        left -= length
        allowed.append(one)
    return allowed


def _cost(children: Children) -> float:
    """What they have taken; one under way takes at least as long as those of its wave, as far as that is known."""
    ended = sum(child.seconds for child in children.values() if child.ended)
    others = (child for child in children.values() if not child.ended)
    return ended + sum(max(child.seconds, _length(child.key, children) or 0.0) for child in others)


def _length(key: str, children: Children) -> float | None:
    """The longest of its wave until now; None where nothing has told."""
    return max((one.seconds for one in _timed(children) if _wave(one.key) == _wave(key)), default=None)


def _may_run_alone(new: NewChild, children: Children, *, left: float) -> bool:
    """With nothing under way, and where no job that was surely no longer has taken more than is left."""
    spec = new.spec.model_dump()
    least = max((one.seconds for one in _timed(children) if _is_no_longer(one.spec, spec)), default=0.0)
    return left > 0 and least <= left and all(child.ended for child in children.values())


def _is_no_longer(spec: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Of the same kind, with no more epochs, and in batches at least as large: smaller ones take longer."""
    size, its = spec.get("batch_size"), other.get("batch_size")
    is_as_large = isinstance(size, int) and isinstance(its, int) and size >= its  # "auto" tells nothing
    return is_as_large and spec.get("kind") == other["kind"] and _epochs(spec) <= _epochs(other)


def _timed(children: Children) -> list[Child]:
    """One that failed may have ended early, and what was taken over has cost nothing."""
    return [one for one in children.values() if one.succeeded and "reused" not in one.resolved]


def _epochs(spec: Mapping[str, Any]) -> int:
    """1 for a sweep, which has none."""
    return int(spec.get("epochs", 1))


def _wave(key: str) -> str:
    return key.rpartition("/")[0]
