"""The two forms pictures come in, arrays and files, each able to fill a part of the cache's array."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.datasets.class_folders import Labelled
from worker.datasets.decoding import as_square, fitted, read, reading
from worker.datasets.source import Mode, Resize

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Places = NDArray[np.intp]


class Pictures(Protocol):
    """One split before it is in the cache."""

    @property
    def labels(self) -> Labels:
        """The class of each picture, (N,)."""

    def decode(self, pixels: Pixels, chosen: range) -> None:
        """Write the pictures `chosen` into `pixels`, (N, C, side, side). Several threads call this at once."""


@dataclass(frozen=True, slots=True)
class ArrayPictures:
    """Pictures that come as an array: (N, H, W) grey or (N, H, W, 3) colour; all of them, or those at `places`."""

    images: Pixels
    labels: Labels  #: of those that are meant
    resize: Resize = "crop"
    places: Places | None = None

    def decode(self, pixels: Pixels, chosen: range) -> None:
        """Copy, or scale to the square that the cache holds."""
        side = pixels.shape[-1]
        part = slice(chosen.start, chosen.stop)
        block = self.images[part if self.places is None else self.places[part]]
        if self.images.shape[1:3] != (side, side):
            squares = (fitted(Image.fromarray(image), side=side, resize=self.resize) for image in block)
            block = np.stack([np.asarray(square) for square in squares])
        pixels[part] = _channels_first(block)

    def digest(self) -> str:
        """SHA-256 of shape, pixels and labels."""
        found = hashlib.sha256(repr(self.images.shape).encode())
        for array in (self.images, self.labels):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class FilePictures:
    """Pictures in files below `root`. `digests` fills with the SHA-256 of each file that was read."""

    root: Path
    files: Labelled
    mode: Mode
    resize: Resize
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> Labels:
        """The class of each picture, (N,)."""
        return np.array(self.files.labels, dtype=np.int64)

    def decode(self, pixels: Pixels, chosen: range) -> None:
        """Read each file once, for its digest and its picture."""
        for index in chosen:
            path = self.files.paths[index]
            data = read(f"{self.root}/{path}")
            self.digests[path] = hashlib.sha256(data).hexdigest()
            with reading(data, path) as image:
                square = np.asarray(as_square(image, self.mode, side=pixels.shape[-1], resize=self.resize))
            pixels[index] = square if square.ndim == 2 else square.transpose(2, 0, 1)


def pieces(count: int, *, size: int = 256) -> Sequence[range]:
    """`count` pictures in ranges of at most `size`: small enough that progress shows and threads end together."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _channels_first(block: Pixels) -> Pixels:
    return block[:, None] if block.ndim == 3 else block.transpose(0, 3, 1, 2)
