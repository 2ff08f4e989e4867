"""Durations as people type and read them."""

import re
from datetime import timedelta

import typer

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_NAMES = {"d": "d", "h": "h", "m": "min", "s": "s"}
_PART = r"(\d+(?:\.\d+)?)([dhms])"


def read_duration(text: str) -> timedelta:
    """`12h`, `90m`, `1h30m`; a bare number is in seconds."""
    given = f"{text}s" if re.fullmatch(r"\d+(\.\d+)?", text) else text
    if not re.fullmatch(f"({_PART})+", given):
        raise typer.BadParameter(f"{text!r} is no duration; give 12h, 90m, 1h30m, or seconds as 3600")
    try:
        return sum((float(number) * _UNITS[unit] for number, unit in re.findall(_PART, given)), timedelta())
    except OverflowError as error:
        raise typer.BadParameter(f"{text!r} is longer than anything runs") from error


def duration_text(duration: timedelta) -> str:
    """As `1 h 30 min`, leaving out what is nought."""
    parts = []
    for unit, length in _UNITS.items():
        count = duration / length if unit == "s" else duration // length
        duration -= count * length
        parts += [f"{count:g} {_NAMES[unit]}"] if count else []
    return " ".join(parts) or "0 s"
