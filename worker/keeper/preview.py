"""The picture of a data set: for each class its name, how many images it has, and some of them."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from itertools import compress
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from worker.datasets.decoding import as_mode, is_grey, reading
from worker.keeper.content import Content

ROWS, COLUMNS = 20, 8  #: classes that are shown, and images of each
SIDE = 64  #: of a picture in the grid, in pixels
_GAP = 6
_LABEL_WIDTH = 190
_WIDTH = _LABEL_WIDTH + COLUMNS * (SIDE + _GAP) + _GAP
_ROW = SIDE + _GAP
_INK, _FAINT, _PAPER = "#1a1a1a", "#6b6b6b", "#ffffff"


@dataclass(frozen=True, slots=True)
class Row:
    """A class, and the places of those of its images that are shown."""

    name: str
    images: str  #: how many, in words
    places: list[int]


@dataclass(slots=True)
class Gallery:
    """Rows that fill with pictures in any order, and are drawn then."""

    rows: list[Row]
    classes: int  #: that there are
    pictures: dict[int, Image.Image] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Content) -> "Gallery":
        """Classes and images evenly taken from all, so that the same set always gives the same picture."""
        shown = evenly(range(len(content.classes)), ROWS)
        places = {index: array("Q") for index in shown}  # small numbers: a set may have ten million images
        for place, label in enumerate(content.labels):
            if label in places:
                places[label].append(place)
        test = Counter(compress(content.labels, content.marks))
        rows = [
            Row(content.classes[index], _count(len(all_of_it), test[index]), evenly(all_of_it, COLUMNS))
            for index, all_of_it in places.items()
        ]
        return cls(rows, len(content.classes))

    @property
    def places(self) -> list[int]:
        """Of all images that are shown, in order."""
        return sorted(place for row in self.rows for place in row.places)

    def add(self, place: int, image: Image.Image) -> None:
        """Keep a small form of an image; its own pixels where it is small."""
        is_small = max(image.size) <= SIDE
        method = Image.Resampling.NEAREST if is_small else Image.Resampling.LANCZOS
        self.pictures[place] = ImageOps.contain(image.convert("RGB"), (SIDE, SIDE), method)

    def draw(self) -> bytes:
        """As a PNG."""
        is_cut = self.classes > len(self.rows)
        sheet = Image.new("RGB", (_WIDTH, _GAP + _ROW * len(self.rows) + (24 if is_cut else 0)), _PAPER)
        pen = ImageDraw.Draw(sheet)
        for index, row in enumerate(self.rows):
            self._draw_row(sheet, pen, row, top=_GAP + _ROW * index)
        if is_cut:
            words = f"{len(self.rows)} of {self.classes:,} classes"
            pen.text((_GAP, sheet.height - 20), words, fill=_FAINT, font=_font(12))
        target = BytesIO()
        sheet.save(target, "PNG", optimize=True)
        return target.getvalue()

    def _draw_row(self, sheet: Image.Image, pen: ImageDraw.ImageDraw, row: Row, *, top: int) -> None:
        pen.text((_GAP, top + 14), _shortened(row.name), fill=_INK, font=_font(14))
        pen.text((_GAP, top + 36), row.images, fill=_FAINT, font=_font(11))
        for column, place in enumerate(row.places):
            picture = self.pictures[place]
            left = _LABEL_WIDTH + column * _ROW
            sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))


def preview_of_files(root: Path, content: Content) -> bytes:
    """Of pictures in files, which `content` names by their path below `root`."""
    gallery = Gallery.of(content)
    for place in gallery.places:
        path = content.name(place)
        with reading((root / path).read_bytes(), path) as image:
            image.draft(None, (2 * SIDE, 2 * SIDE))  # a JPEG decoder shrinks a large photograph while it reads it
            gallery.add(place, as_mode(image, "L" if is_grey(image) else "RGB"))
    return gallery.draw()


def evenly(items: Sequence[int], most: int) -> list[int]:
    """At most so many, from the first on at even distances."""
    return [items[index * len(items) // most] for index in range(most)] if len(items) > most else list(items)


def _count(images: int, test: int) -> str:
    words = f"{images:,} image{'' if images == 1 else 's'}"
    return f"{words}, {test:,} to test" if test else words


def _shortened(name: str) -> str:
    room, font = _LABEL_WIDTH - 2 * _GAP, _font(14)
    if font.getlength(name) <= room:
        return name
    kept = next(end for end in range(min(len(name), 100), 0, -1) if font.getlength(f"{name[:end]}…") <= room)
    return f"{name[:kept]}…"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu, which has more of the world's letters than Pillow's own; matplotlib brings it, and is not imported."""
    found = find_spec("matplotlib")
    assert found is not None  # noqa: S101 - a dependency of the worker
    assert found.submodule_search_locations is not None  # noqa: S101 - it is a package
    return ImageFont.truetype(f"{found.submodule_search_locations[0]}/mpl-data/fonts/ttf/DejaVuSans.ttf", size)
