"""Reads the labels that stand beside arrays of pictures, and what their classes are called."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from worker.datasets.array_content import MAX_IMAGES, read_header, read_whole
from worker.datasets.array_files import ArrayFiles, Pair, Stored
from worker.datasets.class_folders import MAX_CLASSES
from worker.datasets.errors import Refused

Labels = NDArray[np.int64]

_LABELS = "Labels are whole numbers from 0 on, one for each image."
_NAMES = "Class names are texts that differ, in the order of the labels."


def read_labels(pair: Pair, *, count: int) -> Labels:
    """The numbers as they are stored, one for each of `count` images; raises Refused, naming the first bad one."""
    stored = pair.labels
    header = read_header(stored)
    if header.dtype.kind not in "ui":
        raise Refused("wrong_type", stored.name, detail=f"Its values are of the type {header.dtype}.", hint=_LABELS)
    if len(header.shape) > 2 or header.shape[1:] not in ((), (1,)):
        hint = "One number for each image; of one-hot rows take the argmax."
        raise Refused("wrong_shape", stored.name, detail=f"Its shape is {header.shape}.", hint=hint)
    if header.shape[0] != count:
        detail = f"It has {header.shape[0]:,} labels; {pair.images.name} has {count:,} images."
        raise Refused("length_mismatch", stored.name, detail=detail, hint=_LABELS)
    labels = read_whole(stored, header, max_bytes=8 * MAX_IMAGES).reshape(-1)
    _refuse_where((labels < 0) | (labels > np.iinfo(np.int64).max), labels, stored, says="which is no class")
    return labels.astype(np.int64)


def read_classes(files: ArrayFiles, given: Mapping[str, Labels]) -> tuple[list[str], dict[str, Labels]]:
    """The classes in order, and for each split their indices; raises Refused.

    Without names the numbers themselves are the names, and those that never come up are no classes.
    """
    numbers = np.unique(given["train"])
    if len(numbers) > MAX_CLASSES:
        detail = f"It holds {len(numbers):,} classes; at most {MAX_CLASSES:,} are read."
        raise Refused("too_many_classes", files.train.labels.name, detail=detail, hint=_LABELS)
    classes = [str(number) for number in numbers]
    if files.class_names is not None:
        classes = _names(files.class_names)
        _refuse_unnamed(files, given, classes)
        numbers = np.arange(len(classes))
    if len(classes) < 2:
        detail = f"A classification needs at least 2 classes; every label is {numbers[0]}."
        hint = "Add images of another class."
        raise Refused("too_few_classes", files.train.labels.name, detail=detail, hint=hint)
    if files.test is not None:
        unknown = ~np.isin(given["test"], numbers)
        says = f"which {files.train.labels.name} does not hold"
        _refuse_where(unknown, given["test"], files.test.labels, says=says, code="class_not_in_train")
    return classes, {split: np.searchsorted(numbers, labels) for split, labels in given.items()}


def _names(stored: Stored) -> list[str]:
    header = read_header(stored)
    if header.dtype.kind not in "US" or len(header.shape) != 1:
        detail = f"It has the shape {header.shape} and values of the type {header.dtype}."
        raise Refused("wrong_type", stored.name, detail=detail, hint=_NAMES)
    array = read_whole(stored, header, max_bytes=8 << 20)
    try:
        names: list[str] = (np.char.decode(array, "utf-8") if header.dtype.kind == "S" else array).tolist()
    except ValueError as error:  # bytes that are no text
        raise Refused("unsafe_name", stored.name, detail=f"It is no text: {error}.", hint=_NAMES) from error
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not name or not name.isprintable() or len(name) > 200 or name in seen:
            shown = ascii(name)[:200]
            detail = f"{stored.name}[{index}] is {shown}: empty, too long, there twice, or not to be shown."
            raise Refused("unsafe_name", stored.name, detail=detail, hint=_NAMES)
        seen.add(name)
    return names


def _refuse_unnamed(files: ArrayFiles, given: Mapping[str, Labels], classes: list[str]) -> None:
    for split, pair in files.pairs.items():
        says = f"and there are {len(classes)} names, for 0 to {len(classes) - 1}"
        _refuse_where(given[split] >= len(classes), given[split], pair.labels, says=says)
    counts = np.bincount(given["train"], minlength=len(classes))
    if not counts.all():
        name = classes[int(counts.argmin())]
        detail = f"The class {name!r} has no training image."
        raise Refused("empty_class", files.train.labels.name, detail=detail, hint="Leave its name out.")


def _refuse_where(
    bad: NDArray[np.bool_], labels: NDArray[np.integer], stored: Stored, *, says: str, code: str = "bad_label"
) -> None:
    if bad.any():
        index = int(bad.argmax())
        raise Refused(code, stored.name, detail=f"{stored.name}[{index}] is {labels[index]}, {says}.", hint=_LABELS)
