"""Changes to a spec, as a JSON Merge Patch (RFC 7396)."""

from collections.abc import Mapping
from typing import Any

# What says which one an object is: of another one, the remaining fields would make no sense.
_MARKERS = ("name", "policy", "id")


def merged(whole: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`whole` with `changes` in it: objects are merged field by field, and null removes a field.

    An object that names another optimizer, policy, architecture or data set replaces the one there was, and a bare
    name is such an object: the fields of the old one are not the new one's.
    """
    result = dict(whole)
    for field, change in changes.items():
        if change is None:
            result.pop(field, None)
        elif isinstance(change, dict):
            result[field] = merged(_kept(result.get(field), change), change)
        else:
            result[field] = change
    return result


def stacked(patch: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """One patch that does what both do, one after the other: null stays, since it takes something away."""
    result = dict(patch)
    for field, change in changes.items():
        result[field] = stacked(_kept(result.get(field), change), change) if isinstance(change, dict) else change
    return result


def _kept(present: Any, change: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401
    """What of an object that was there stays beside a change of it."""
    return present if isinstance(present, dict) and not names_another(present, change) else {}


def names_another(present: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    """Whether a change of an object says that it is to be another one."""
    return any(marker in change and change[marker] != present.get(marker) for marker in _MARKERS)
