"""The images of a data set that are used: the class and the split of each, and what it is called."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal

Counts = dict[str, dict[str, int]]
Origin = Literal["made", "folders", "arrays", "none"]  #: where the test images come from


@dataclass(frozen=True, slots=True)
class Content:
    """All in the order of the survey, where the test images of a set that has some stand last."""

    classes: list[str]
    labels: Sequence[int]
    marks: bytearray  #: 1 for each test image
    origin: Origin
    name: Callable[[int], str]  #: what reports call the image at a place

    def counts(self) -> Counts:
        """Images per split and class, e.g. `{"train": {"cat": 5000}, "test": {}}`."""
        train = Counter(compress(self.labels, (not mark for mark in self.marks)))
        test = Counter(compress(self.labels, self.marks))
        return {"train": self._named(train), "test": self._named(test) if test else {}}

    def _named(self, found: Counter[int]) -> dict[str, int]:
        return {name: found[index] for index, name in enumerate(self.classes)}


def marks_of(*, training: int, test: int) -> bytearray:
    """The marks of a set that has test images of its own, or none."""
    return bytearray(training) + b"\1" * test
