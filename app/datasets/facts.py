"""What is known of a dataset before anybody opens it, whichever kind it is."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

from app.db.tables import DatasetTable
from app.domain import catalog
from app.domain.specs import Augmentation
from app.ids import stable_id

Kind = Literal["built_in", "uploaded", "registered"]

# A photograph of 12 megapixels is not what anybody means to train on by saying nothing.
LARGEST_DEFAULT_SIZE = 224
DEFAULT_VALIDATION = 0.1


@dataclass(frozen=True)
class DatasetFacts:
    """A dataset as jobs see it. What only a check can tell is empty or None until it is `ready`."""

    id: str
    name: str
    kind: Kind
    state: str
    classes: list[str]
    counts: dict[str, int]  #: images per split
    mode: Literal["L", "RGB"]
    side: int  #: of its pictures; in a folder of many sizes the median of the shorter sides
    image_size: int  #: the default for training on it
    version: str | None  #: known of checked folders only; a built-in set's comes out when it is opened
    validation: float
    augmentation: Augmentation
    path: str | None  #: the folder of images; the built-in sets that need no import have none of their own
    split: dict[str, Any] | None = None  #: where the test images come from, as its check wrote it
    skipped: tuple[str, ...] = ()  #: paths below that folder that its check left out


def of_built_in(fact: catalog.DatasetFact) -> DatasetFacts:
    """The facts of a set that every worker can open."""
    return DatasetFacts(
        id=stable_id("ds", fact.name),
        name=fact.name,
        kind="built_in",
        state="available",
        classes=fact.classes,
        counts={"train": fact.counts["train"], "test": fact.counts.get("test", 0)},
        mode=fact.mode,
        side=fact.size,
        image_size=fact.size,
        version=None,
        validation=fact.validation,
        augmentation=fact.augmentation,
        path=None,
    )


def of_published(name: str) -> DatasetFacts:
    """The facts of a set that nobody has imported yet."""
    return DatasetFacts(
        id=stable_id("ds", name),
        name=name,
        kind="built_in",
        state="not imported",
        classes=[],
        counts={},
        mode="RGB",
        side=0,
        image_size=0,
        version=None,
        validation=DEFAULT_VALIDATION,
        augmentation=Augmentation(),
        path=None,
    )


def of_row(row: DatasetTable) -> DatasetFacts:
    """The facts of a folder that was checked, or will be. It is shifted, not mirrored: a flip may be wrong."""
    image = row.image or {}
    side = image.get("side", 0)
    return DatasetFacts(
        id=row.id,
        name=row.name,
        kind=cast("Kind", row.kind),
        state=row.state,
        classes=row.classes or [],
        counts={split: sum(counts.values()) for split, counts in (row.counts or {}).items()},
        mode=image.get("mode", "RGB"),
        side=side,
        image_size=min(side, LARGEST_DEFAULT_SIZE),
        version=row.version,
        validation=DEFAULT_VALIDATION,
        augmentation=Augmentation(crop=min(side, LARGEST_DEFAULT_SIZE) // 8),
        path=row.path,
        split=row.split,
        skipped=tuple(row.skipped or ()),
    )


@cache
def built_in_by_id() -> dict[str, DatasetFacts]:
    """Every built-in set by its id, in the order of names."""
    ordered = sorted(catalog.datasets().values(), key=lambda fact: fact.name.lower())
    return {facts.id: facts for facts in map(of_built_in, ordered)}


def built_in_by_name(name: str) -> DatasetFacts | None:
    """A built-in set, or None."""
    fact = catalog.datasets().get(name)
    return of_built_in(fact) if fact else None
