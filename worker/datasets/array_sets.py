"""Turns stored arrays into pictures and labels: every value is looked at, and the first that does not fit is named."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.datasets.array_content import Header, read_blocks, read_header
from worker.datasets.array_files import ArrayFiles, Stored
from worker.datasets.array_labels import read_classes, read_labels
from worker.datasets.errors import Refused
from worker.datasets.source import Mode

_SHAPES = "Images are (N, H, W), (N, H, W, C) or (N, C, H, W), with 1 or 3 channels."
_ONE = 1 + 1e-6  #: arithmetic in 32 bits may leave a little more than 1
_VALUES = "Values are whole from 0 to 255, or all of them from 0 to 1, which is then white."

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pictures lie in their array."""

    count: int
    height: int
    width: int
    channels: int
    has_channels_first: bool

    @property
    def picture(self) -> tuple[int, int, int]:
        """What must be the same in both splits."""
        return self.height, self.width, self.channels

    def arrange(self, block: Pixels) -> Pixels:
        """The block as (n, H, W) where it is grey, (n, H, W, 3) where it has colour."""
        if self.channels == 1:
            return block.reshape(-1, self.height, self.width)
        return block.transpose(0, 2, 3, 1) if self.has_channels_first else block


@dataclass(frozen=True, slots=True)
class ArraySet:
    """Judged arrays: classes and labels are known, pixels are yet to be read by `pictures`."""

    files: ArrayFiles
    classes: list[str]
    labels: dict[str, Labels]
    layouts: dict[str, Layout]
    largest: float | None  #: the largest of all values that may have a fraction
    binary: Stored | None  #: whole numbers of which none is above 1, so that 1 is white in both splits
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def mode(self) -> Mode:
        """Grey or colour."""
        return "L" if self.layouts["train"].channels == 1 else "RGB"

    @property
    def version(self) -> str:
        """By pixels, labels and classes, in whatever file they came; known once every picture was read."""
        listing = repr(self.classes) + "".join(f"\n{split}\0{self.digests[split]}" for split in sorted(self.labels))
        return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"

    def pictures(self) -> Iterator[tuple[str, Pixels]]:
        """Split by split the pictures in order, in blocks as `Layout.arrange` gives them; raises Refused."""
        for split, pair in self.files.pairs.items():
            layout = self.layouts[split]
            digest = hashlib.sha256(repr((layout.count, *layout.picture)).encode())
            for first, block in _numbered(pair.images):
                pixels = np.ascontiguousarray(layout.arrange(self._as_bytes(block, pair.images, first)))
                digest.update(pixels.data)
                yield split, pixels
            digest.update(self.labels[split].data)
            self.digests[split] = digest.hexdigest()

    def _as_bytes(self, block: NDArray[Any], stored: Stored, first: int) -> Pixels:
        if block.dtype.kind == "b":
            return block.view(np.uint8) * np.uint8(255)
        if block.dtype.kind in "ui" and self.binary is not None:
            return _from_binary(block, stored, first, like=self.binary.name)
        return _from_numbers(block, stored, first, largest=self.largest)


def judge_arrays(files: ArrayFiles) -> ArraySet:
    """Read headers, labels and the range of numbers; raises Refused at the first thing that does not fit."""
    headers = {split: read_header(pair.images) for split, pair in files.pairs.items()}
    layouts = {split: _layout(files.pairs[split].images, header) for split, header in headers.items()}
    _refuse_other_pictures(files, layouts)
    given = {split: read_labels(pair, count=layouts[split].count) for split, pair in files.pairs.items()}
    classes, labels = read_classes(files, given)
    fractions = [files.pairs[split].images for split, header in headers.items() if header.dtype.kind == "f"]
    whole = [files.pairs[split].images for split, header in headers.items() if header.dtype.kind in "ui"]
    largest = max(map(_largest, fractions), default=None)
    return ArraySet(files, classes, labels, layouts, largest, binary=next(filter(_is_binary, whole[:1]), None))


def digests_of(pixels: Pixels) -> Iterator[bytes]:
    """The SHA-256 of each picture's bytes."""
    return (hashlib.sha256(picture.data).digest() for picture in pixels)


def _layout(stored: Stored, header: Header) -> Layout:
    if header.dtype.kind not in "buif":
        detail = f"Its values are of the type {header.dtype}."
        raise Refused("wrong_type", stored.name, detail=detail, hint=_VALUES)
    count = header.shape[0]
    match header.shape[1:]:
        case (height, width):
            return Layout(count, height, width, 1, has_channels_first=False)
        case (height, width, (1 | 3) as channels):
            return Layout(count, height, width, channels, has_channels_first=False)
        case ((1 | 3) as channels, height, width):
            return Layout(count, height, width, channels, has_channels_first=True)
    raise Refused("wrong_shape", stored.name, detail=f"Its shape is {header.shape}.", hint=_SHAPES)


def _refuse_other_pictures(files: ArrayFiles, layouts: dict[str, Layout]) -> None:
    if files.test is None or layouts["test"].picture == layouts["train"].picture:
        return
    shown = {split: " × ".join(map(str, layout.picture)) for split, layout in layouts.items()}
    detail = f"Its pictures are {shown['test']}, those of {files.train.images.name} {shown['train']}."
    raise Refused("wrong_shape", files.test.images.name, detail=detail, hint="Give both splits the same shape.")


def _numbered(stored: Stored) -> Iterator[tuple[int, NDArray[Any]]]:
    """Blocks, each with the index of its first picture."""
    first = 0
    for block in read_blocks(stored):
        yield first, block
        first += len(block)


def _largest(stored: Stored) -> float:
    """The largest value of an array of fractions, all of which must be numbers: it tells 0 to 1 from 0 to 255."""
    largest = 0.0
    for first, block in _numbered(stored):
        _refuse_where(~np.isfinite(block), block, stored, first, code="not_finite", rule=lambda value: f"is {value}")
        largest = max(largest, float(block.max()))
    return largest


def _is_binary(stored: Stored) -> bool:
    """Whether none of its whole numbers is above 1; of ordinary pictures the first block tells."""
    return all(block.max() <= 1 for block in read_blocks(stored))


def _from_binary(block: NDArray[Any], stored: Stored, first: int, *, like: str) -> Pixels:
    outside = (block < 0) | (block > 1)
    because = f"as no value of {like} is above 1, only 0 and 1 are taken"
    _refuse_where(outside, block, stored, first, rule=lambda value: f"is {value}; {because}")
    pixels: Pixels = block.astype(np.uint8) * np.uint8(255)
    return pixels


def _from_numbers(block: NDArray[Any], stored: Stored, first: int, *, largest: float | None) -> Pixels:
    if block.dtype == np.uint8:
        return block
    outside = ~((block >= 0) & (block <= 255))  # also what is not a number
    _refuse_where(outside, block, stored, first, rule=lambda value: f"is {value}, which is not between 0 and 255")
    if largest is not None and largest <= _ONE and block.dtype.kind == "f":
        block = np.rint(block * 255)
    fractions = block % 1 != 0
    _refuse_where(fractions, block, stored, first, rule=lambda value: f"is {value}, while others reach {largest}")
    pixels: Pixels = block.astype(np.uint8)
    return pixels


def _refuse_where(
    bad: NDArray[np.bool_],
    block: NDArray[Any],
    stored: Stored,
    first: int,
    *,
    code: str = "out_of_range",
    rule: Callable[[Any], str],
) -> None:
    if bad.any():
        place = np.unravel_index(int(bad.argmax()), bad.shape)
        shown = [int(place[0]) + first, *map(int, place[1:])]
        detail = f"{stored.name}{shown} {rule(block[place])}."
        raise Refused(code, stored.name, detail=detail, hint=_VALUES)
