"""What the engine sees of a data set: arrays of pixels, and the split of the training images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Images:
    """One split: pixels (N, C, H, W), often a memory map, and the class of each image."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return int(self.pixels.shape[1])

    @property
    def side(self) -> int:
        """Height and width in pixels."""
        return int(self.pixels.shape[2])


@dataclass(frozen=True)
class Dataset:
    """A decoded data set. Mean and deviation are those of the training split's pixels / 255, per channel."""

    name: str
    classes: list[str]
    train: Images
    test: Images | None
    channel_mean: list[float]
    channel_std: list[float]


def split_validation(
    labels: NDArray[np.int64], share: float, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of training and validation images, both ascending.

    Stratified: every class gives the same share, and keeps at least one image for training. Where the shares
    round to nothing, the largest class gives one image, so that there is something to validate on.
    """
    generator = np.random.default_rng([seed, 0x5EED])
    held_out = [_held_out(np.flatnonzero(labels == label), share, generator) for label in np.unique(labels)]
    validation = np.sort(np.concatenate(held_out))
    if not len(validation):
        validation = np.flatnonzero(labels == np.bincount(labels).argmax())[:1]
    return np.setdiff1d(np.arange(len(labels)), validation), validation


def _held_out(members: NDArray[np.int64], share: float, generator: np.random.Generator) -> NDArray[np.int64]:
    count = min(round(len(members) * share), len(members) - 1)
    return generator.permutation(members)[:count]
