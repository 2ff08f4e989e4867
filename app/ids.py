"""Ids: a prefix that says what it is, and 26 lower-case base-32 characters of a UUIDv7, so that ids sort by age."""

import re
import uuid

import uuid_utils

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_FORM = re.compile(rf"[a-z]+_[0-7][{_ALPHABET}]{{25}}")


def new_id(prefix: str) -> str:
    """A new id, e.g. `job_01jd8f…`."""
    return f"{prefix}_{_encode(uuid_utils.uuid7().int)}"


def stable_id(prefix: str, name: str) -> str:
    """The id of something that has no row, the same on every machine."""
    return f"{prefix}_{_encode(uuid.uuid5(uuid.NAMESPACE_URL, f'supercycle:{name}').int)}"


def is_id(value: str, prefix: str) -> bool:
    """Whether `value` has the form of an id of this kind."""
    return value.startswith(f"{prefix}_") and _FORM.fullmatch(value) is not None


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
