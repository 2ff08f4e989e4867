"""The figures of a report: how many images there are, of which sizes and modes, and how they lie over the classes."""

from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import Any

from worker.keeper.content import Content
from worker.keeper.duplicates import Duplicates
from worker.keeper.survey import Survey


def statistics_of(content: Content, survey: Survey, duplicates: Duplicates) -> dict[str, Any]:
    """The shape in `report.statistics`; there is at least one image."""
    return {
        "images": len(content.labels),
        "bytes": survey.bytes,
        "sizes": {
            "min": [min(survey.widths), min(survey.heights)],
            "median": [middle(survey.widths), middle(survey.heights)],
            "max": [max(survey.widths), max(survey.heights)],
            "shorter_sides": list(_bins(survey.shorter_sides)),
        },
        "modes": dict(survey.modes.most_common()),
        "per_class": _per_class(content.counts()["train"]),
        "duplicates": duplicates.as_dict(content),
    }


def middle(found: Counter[int]) -> int:
    """The median, rounded down where it lies between two."""
    return int(median(found.elements()))


def _bins(sides: Counter[int]) -> Iterator[dict[str, int]]:
    """From one power of two to below the next, those that hold any."""
    found: Counter[int] = Counter()
    for side, images in sides.items():
        found[side.bit_length() - 1] += images
    for power, images in sorted(found.items()):
        yield {"at_least": 2**power, "at_most": 2 ** (power + 1) - 1, "images": images}


def _per_class(counts: dict[str, int]) -> dict[str, Any]:
    smallest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    return {
        "smallest": {"name": smallest, "images": counts[smallest]},
        "median": float(median(counts.values())),
        "largest": {"name": largest, "images": counts[largest]},
    }
