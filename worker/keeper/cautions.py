"""What a report warns of: nothing here keeps a set from being trained on, but each is perhaps not what was meant."""

from collections.abc import Iterator

from worker.datasets.errors import Caution, Problem
from worker.keeper.content import Content
from worker.keeper.duplicates import Copies, Duplicates

IMBALANCE = 10  #: times as many training images of one class as of another
FEW_IMAGES = 10  #: with less, the usual tenth for validation is one image at most
SHOWN_SKIPPED = 100
_NAMED = 3  #: examples in a sentence


def cautions_of(content: Content, duplicates: Duplicates) -> Iterator[Caution]:
    """All that the images themselves give cause for."""
    yield from _across_splits(content, duplicates.across_splits)
    yield from _across_classes(content, duplicates.across_classes)
    yield from _within_training(content, duplicates.within_training)
    counts = content.counts()["train"]
    yield from _imbalance(counts)
    yield from _few(counts)


def skipped_files(bad: dict[str, Problem]) -> Iterator[Caution]:
    """The files that were left out, by name."""
    for problem in list(bad.values())[:SHOWN_SKIPPED]:
        hint = "Replace it and add the data set again to have it in."
        yield Caution("skipped_file", problem.path, f"{problem.detail} It was left out.", hint)
    if len(bad) > SHOWN_SKIPPED:
        detail = f"{len(bad) - SHOWN_SKIPPED} more files were left out and are not listed."
        yield Caution("more_skipped_files", None, detail, "Replace those that are listed and add the data set again.")


def unused_split(given: list[str]) -> Caution:
    """A split was asked for, and the set has one."""
    detail = f"The set has test images of its own, so none were taken out and {' and '.join(given)} changed nothing."
    hint = "To have a split made, leave out the set's own test split, or put its images among those for training."
    return Caution("split_not_made", None, detail, hint)


def empty_split(test_fraction: float) -> Caution:
    """A split was wanted, and no class is large enough for it."""
    detail = f"No class has enough different images for {test_fraction:g} of them to be one; all are for training."
    return Caution("no_test_images", None, detail, "Add images, or give a larger test_fraction.")


def unused_skip() -> Caution:
    """Files were to be skipped, and there are none."""
    detail = "on_bad_file 'skip' leaves out files of pictures; an array is used whole or not at all."
    return Caution("skip_is_for_pictures", None, detail, "Correct the array and add it again.")


def _across_splits(content: Content, copies: Copies) -> Iterator[Caution]:
    if copies.images:
        what = "test image is a training image" if copies.images == 1 else "test images are training images"
        detail = f"{copies.images:,} {what} too, byte for byte{_pairs(content, copies)}."
        hint = "Remove them from one of the two: a test with images that were trained on says too much."
        yield Caution("duplicates_across_splits", None, detail, hint)


def _across_classes(content: Content, copies: Copies) -> Iterator[Caution]:
    if copies.images:
        detail = f"{copies.images:,} images lie under more than one class, byte for byte{_pairs(content, copies)}."
        yield Caution("duplicates_across_classes", None, detail, "Keep each under the class that is right.")


def _within_training(content: Content, copies: Copies) -> Iterator[Caution]:
    if copies.images:
        what = "training image is a copy of another" if copies.images == 1 else "training images are copies of others"
        detail = f"{copies.images:,} {what}, byte for byte{_pairs(content, copies)}."
        hint = "Remove the copies: they count double, and one held out for validation may be trained on all the same."
        yield Caution("duplicates_in_training", None, detail, hint)


def _pairs(content: Content, copies: Copies) -> str:
    shown = "; ".join(f"{one} = {other}" for one, other in copies.named(content)[:_NAMED])
    return f", e.g. {shown}" if len(copies.pairs) > _NAMED else f": {shown}"


def _imbalance(counts: dict[str, int]) -> Iterator[Caution]:
    smallest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[largest] >= IMBALANCE * counts[smallest] > 0:  # a class without any is a problem
        detail = (
            f"{largest!r} has {counts[largest]:,} training images and {smallest!r} {counts[smallest]:,}:"
            f" {counts[largest] / counts[smallest]:.0f} times as many."
        )
        hint = "Add images of the small classes, or remove some of the large: accuracy says little of small classes."
        yield Caution("class_imbalance", None, detail, hint)


def _few(counts: dict[str, int]) -> Iterator[Caution]:
    few = [name for name, count in counts.items() if count < FEW_IMAGES]
    if few:
        named = ", ".join(f"{name!r} ({counts[name]})" for name in few[:_NAMED]) + (", …" if len(few) > _NAMED else "")
        what = "class has" if len(few) == 1 else "classes have"
        detail = f"{len(few):,} {what} fewer than {FEW_IMAGES} training images: {named}."
        yield Caution("few_images", None, detail, "Add images of them, or leave them out.")
