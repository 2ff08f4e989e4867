"""Finds images that are there more than once, byte for byte: in both splits, under two classes, or to train on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.datasets.splitting import alike
from worker.keeper.content import Content

EXAMPLES = 10  #: pairs that are named


@dataclass(slots=True)
class Copies:
    """How many images it concerns, and the first few pairs."""

    images: int = 0
    pairs: list[tuple[int, int]] = field(default_factory=list)

    def add(self, images: int, pair: tuple[int, int]) -> None:
        """Count a group of equal images."""
        self.images += images
        if len(self.pairs) < EXAMPLES:
            self.pairs.append(pair)

    def named(self, content: Content) -> list[list[str]]:
        """The pairs as reports call them."""
        return [[content.name(place) for place in pair] for pair in sorted(self.pairs)]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Each kind counts what is one too many: the test images, all that contradict, and the copies."""

    across_splits: Copies = field(default_factory=Copies)
    across_classes: Copies = field(default_factory=Copies)
    within_training: Copies = field(default_factory=Copies)

    def as_dict(self, content: Content) -> dict[str, Any]:
        """The shape in `report.statistics`."""
        kinds = ("across_splits", "across_classes", "within_training")
        found: dict[str, Copies] = {kind: getattr(self, kind) for kind in kinds}
        return {kind: {"images": copies.images, "examples": copies.named(content)} for kind, copies in found.items()}


def find_duplicates(content: Content, ranks: Sequence[int]) -> Duplicates:
    """Go through the groups of equal images."""
    found = Duplicates()
    for group in alike(ranks):
        if len(group) > 1:
            _add(found, group, content)
    return found


def _add(found: Duplicates, group: list[int], content: Content) -> None:
    training = [place for place in group if not content.marks[place]]
    tests = [place for place in group if content.marks[place]]
    if training and tests:
        found.across_splits.add(len(tests), (training[0], tests[0]))
    others = [place for place in group if content.labels[place] != content.labels[group[0]]]
    if others:
        found.across_classes.add(len(group), (group[0], others[0]))
    if len(training) > 1:
        found.within_training.add(len(training) - 1, (training[0], training[1]))
