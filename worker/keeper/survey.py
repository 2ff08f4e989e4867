"""What the images of a data set turn out to be: a few numbers for each, so that any of them can be added up later."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import compress

from worker.datasets.class_folders import ClassFolders
from worker.datasets.errors import Problem
from worker.datasets.source import Mode
from worker.datasets.splitting import rank_of
from worker.keeper.looking import Picture, look_at_all


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


def survey_pictures(found: ClassFolders, *, seed: int) -> Survey:
    """Decode every picture; those that cannot be are in `bad`."""
    survey = Survey()
    paths = [*found.train.paths, *found.test.paths]
    for path, picture in zip(paths, look_at_all(str(found.root), paths), strict=True):
        if isinstance(picture, Problem):
            survey.bad[path] = picture
        else:
            _add(survey, path, picture, seed=seed)
    return survey


def _add(survey: Survey, path: str, picture: Picture, *, seed: int) -> None:
    survey.digests[path] = picture.digest
    survey.ranks.append(rank_of(bytes.fromhex(picture.digest), seed=seed))
    survey.pixels.append(picture.width * picture.height)
    survey.sums.extend(picture.sums)
    survey.squares.extend(picture.squares)
    survey.has_colour.append(picture.has_colour)
    survey.count_size(picture.width, picture.height)
    survey.modes[picture.mode] += 1
    survey.bytes += picture.size
