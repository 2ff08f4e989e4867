"""From uint8 arrays to the tensors a network eats: selection, augmentation, normalisation, resizing."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from app.domain.specs.parts import Augmentation
from worker.engine.augment import augment
from worker.engine.data import Images
from worker.engine.draws import Use, generator

# Of the free device memory, the share that pixels may take for good.
_DEVICE_SHARE = 0.3
# Evaluation batches of about this many pixels are as fast as larger ones and fit where training fits.
_EVALUATION_PIXELS = 1 << 20


@dataclass(frozen=True)
class Format:
    """What the network wants: device, side, channels, and the statistics that normalise pixels / 255."""

    device: torch.device
    side: int
    channels: int
    mean: list[float]
    std: list[float]


class Source:
    """One split as tensors: on the device where it fits, else in host memory or a memory map."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self.device = device
        self._labels = torch.from_numpy(np.ascontiguousarray(images.labels, dtype=np.int64)).to(device)
        pixels = _as_tensor(images.pixels)
        self._pixels = pixels.to(device) if _fits(pixels, device) else pixels

    def __len__(self) -> int:
        return len(self._labels)

    def select(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels and labels of these images, on the device."""
        there = index.to(self.device, non_blocking=True)
        if self._pixels.device == self.device:
            return self._pixels.index_select(0, there), self._labels.index_select(0, there)
        chosen = self._pixels.index_select(0, index).pin_memory()
        return chosen.to(self.device, non_blocking=True), self._labels.index_select(0, there)


def _as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    with warnings.catch_warnings():
        # A cache file is mapped read-only, and nothing here writes to it: index_select copies.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(pixels)


def _fits(pixels: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.numel() <= free * _DEVICE_SHARE


class Batches:
    """A part of a split, in batches; what is random in them follows from (seed, epoch, step) alone."""

    def __init__(self, source: Source, index: NDArray[np.int64], *, form: Format, batch_size: int) -> None:
        self.batch_size = batch_size
        self._source = source
        self._index = torch.from_numpy(index)
        self._form = form
        # Folded into one subtraction and one division of 0 … 255.
        self._mean = torch.tensor(form.mean, device=form.device).view(1, -1, 1, 1) * 255
        self._std = torch.tensor(form.std, device=form.device).view(1, -1, 1, 1) * 255

    def __len__(self) -> int:
        return len(self._index)

    @property
    def per_epoch(self) -> int:
        """Full batches in one pass; the rest of the images wait for the next epoch's order."""
        return len(self) // self.batch_size

    def shuffled(
        self, seed: int, *, augmentation: Augmentation, start: int = 0, stop: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Training batches for the optimizer steps start … stop-1, in an order of its own for every epoch."""
        for step in range(start, stop):
            epoch, position = divmod(step, self.per_epoch)
            if step == start or position == 0:
                order = torch.from_numpy(generator(seed, use=Use.ORDER, position=epoch).permutation(len(self)))
            chosen = self._index[order[position * self.batch_size : (position + 1) * self.batch_size]]
            pixels, labels = self._source.select(chosen)
            pixels = augment(pixels, augmentation, generator=generator(seed, use=Use.AUGMENTATION, position=step))
            yield self._prepared(pixels), labels

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, unchanged, in large batches."""
        size = max(self.batch_size, min(1024, _EVALUATION_PIXELS // self._form.side**2))
        for first in range(0, len(self), size):
            pixels, labels = self._source.select(self._index[first : first + size])
            yield self._prepared(pixels), labels

    def _prepared(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) uint8 → (N, channels, side, side) float32, channels last."""
        images = pixels.to(torch.float32)
        if images.shape[1] < len(self._form.mean):
            images = images.expand(-1, len(self._form.mean), -1, -1)
        images = images.sub(self._mean).div_(self._std)
        if images.shape[1] < self._form.channels:
            images = images.expand(-1, self._form.channels, -1, -1)
        if images.shape[2] != self._form.side:
            images = _resized(images, self._form.side)
        return images.contiguous(memory_format=torch.channels_last)


def _resized(images: Tensor, side: int) -> Tensor:
    # Enlarging needs no antialiasing, and reducing looks wrong without it.
    return functional.interpolate(images, size=(side, side), mode="bilinear", antialias=images.shape[2] > side)
