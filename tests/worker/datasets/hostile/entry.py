"""One hostile file, and the small good ones that stand beside what is hostile in it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Entry:
    """What is uploaded, and what must be said of it: every problem has one of `codes`; without any, it is ready."""

    name: str
    make: Callable[[Path], bytes]  #: of the folder in which nothing but the data set may change
    codes: tuple[str, ...]


def entry(name: str, data: bytes | Callable[[Path], bytes], *codes: str) -> Entry:
    """From bytes, or from what makes them."""
    return Entry(name, data if callable(data) else lambda _: data, codes)


def png(level: int = 40, *, size: tuple[int, int] = (8, 8), mode: str = "L", **options: object) -> bytes:
    """A good picture."""
    return saved(Image.new(mode, size, level), "PNG", **options)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """A picture as a file."""
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


CAT, DOG = png(40), png(200)
#: A whole data set; an archive of it with one thing wrong is refused for that alone.
GOOD = {"cat/0.png": CAT, "cat/1.png": CAT, "dog/0.png": DOG, "dog/1.png": DOG}
