"""What the images of a data set turn out to be: a few numbers for each, so that any of them can be added up later."""

import hashlib
from array import array
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import compress
from operator import mul
from os import cpu_count
from pathlib import Path

from worker.datasets.class_folders import ClassFolders
from worker.datasets.decoding import as_mode, is_grey, reading
from worker.datasets.errors import Problem, Refused
from worker.datasets.source import Mode
from worker.datasets.splitting import rank_of

THREADS = min(cpu_count() or 1, 4)  # each may hold a picture of 50 million pixels in a few forms
_BLOCK = 1024
_VALUES = range(256)
_SQUARES = [value**2 for value in _VALUES]


def _numbers() -> "array[int]":
    return array("Q")


@dataclass(slots=True)
class Survey:
    """Training images first, then test images. Which is which may be decided later, so nothing is added up by split."""

    ranks: "array[int]" = field(default_factory=_numbers)  #: equal for images that are the same byte for byte
    pixels: "array[int]" = field(default_factory=_numbers)  #: how many each image has
    sums: "array[int]" = field(default_factory=_numbers)  #: of its values, three for each image; grey thrice the same
    squares: "array[int]" = field(default_factory=_numbers)  #: of their squares, likewise
    has_colour: bytearray = field(default_factory=bytearray)
    widths: Counter[int] = field(default_factory=Counter)
    heights: Counter[int] = field(default_factory=Counter)
    shorter_sides: Counter[int] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)  #: as Pillow names what is stored
    bytes: int = 0
    digests: dict[str, str] = field(default_factory=dict)  #: of files, by path
    bad: dict[str, Problem] = field(default_factory=dict)  #: files that are none of the images, by path

    def count_size(self, width: int, height: int, *, images: int = 1) -> None:
        """Add images of this size."""
        self.widths[width] += images
        self.heights[height] += images
        self.shorter_sides[min(width, height)] += images

    def mode(self, marks: bytearray) -> Mode:
        """Colour as soon as one of the training images has it, those whose mark is 0."""
        return "RGB" if any(compress(self.has_colour, (not mark for mark in marks))) else "L"

    def training(self, marks: bytearray) -> "Levels":
        """What those training images are like."""
        is_train = [not mark for mark in marks]
        mode = self.mode(marks)
        pixels = sum(compress(self.pixels, is_train))
        means, deviations = [], []
        for channel in range(3 if mode == "RGB" else 1):
            total = sum(compress(self.sums[channel::3], is_train))
            squares = sum(compress(self.squares[channel::3], is_train))
            means.append(total / pixels / 255)
            deviations.append((pixels * squares - total**2) ** 0.5 / pixels / 255)  # exact, as whole numbers are
        return Levels(mode, means, deviations)


@dataclass(frozen=True, slots=True)
class Levels:
    """Mean and deviation of pixels / 255 per channel, of which grey images have one."""

    mode: Mode
    mean: list[float]
    deviation: list[float]


@dataclass(frozen=True, slots=True)
class Picture:
    """What one file holds."""

    digest: bytes
    size: int
    width: int
    height: int
    mode: str
    has_colour: bool
    sums: list[int]
    squares: list[int]


def survey_pictures(found: ClassFolders, *, seed: int) -> Survey:
    """Decode every picture; those that cannot be are in `bad`."""
    survey = Survey()
    paths = [*found.train.paths, *found.test.paths]
    with ThreadPoolExecutor(THREADS) as executor:
        # In blocks, so that only so many results wait to be added up.
        for start in range(0, len(paths), _BLOCK):
            block = paths[start : start + _BLOCK]
            for path, picture in zip(block, executor.map(lambda path: _look(found.root, path), block), strict=True):
                if isinstance(picture, Problem):
                    survey.bad[path] = picture
                else:
                    _add(survey, path, picture, seed=seed)
    return survey


def _look(root: Path, path: str) -> Picture | Problem:
    """Decode a picture in full: half a JPEG has a good header."""
    try:
        data = (root / path).read_bytes()
    except OSError as error:
        detail = f"It cannot be read: {error.strerror or error}."
        return Problem("unreadable_image", path, detail, "Let the service read it, or leave it out.")
    try:
        with reading(data, path) as image:
            stored, has_colour = image.mode, not is_grey(image)
            levels = as_mode(image, "RGB" if has_colour else "L").histogram()
            size = image.size
    except Refused as error:
        return error.problem
    blocks = [levels[start : start + 256] for start in (range(0, 768, 256) if has_colour else (0, 0, 0))]
    sums, squares = ([sum(map(mul, powers, block)) for block in blocks] for powers in (_VALUES, _SQUARES))
    return Picture(hashlib.sha256(data).digest(), len(data), *size, stored, has_colour, sums, squares)


def _add(survey: Survey, path: str, picture: Picture, *, seed: int) -> None:
    survey.digests[path] = picture.digest.hex()
    survey.ranks.append(rank_of(picture.digest, seed=seed))
    survey.pixels.append(picture.width * picture.height)
    survey.sums.extend(picture.sums)
    survey.squares.extend(picture.squares)
    survey.has_colour.append(picture.has_colour)
    survey.count_size(picture.width, picture.height)
    survey.modes[picture.mode] += 1
    survey.bytes += picture.size
