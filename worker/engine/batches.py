"""From uint8 arrays to the tensors a network eats: selection, augmentation, normalisation, resizing."""

import mmap
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
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
from worker.engine.host import host_bytes
from worker.engine.mapped import Mapped
from worker.engine.parallel import ALONE, Ranks, Share
from worker.engine.rows import rows_of
from worker.engine.windows import Corners, cut, random_corners

# Of the free device memory, the share that pixels may take for good.
_DEVICE_SHARE = 0.3
# Of the host's memory, the share up to which a mapped file is taken to fit into the page cache beside everything else.
_PAGE_CACHE_SHARE = 0.5
# Evaluation batches of about this many pixels are as fast as larger ones and fit where training fits.
_EVALUATION_PIXELS = 1 << 20


@dataclass(frozen=True)
class Format:
    """What the network wants: device, side, channels, and the statistics that normalise pixels / 255.

    With `crop_from`, images are brought to that side and a window of `side` is cut out of them.
    """

    device: torch.device
    side: int
    channels: int
    mean: list[float]
    std: list[float]
    crop_from: int | None = None


class Source:
    """One split as tensors: on the device where it fits, else in host memory or a memory map."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self._labels = torch.from_numpy(np.ascontiguousarray(images.labels, dtype=np.int64)).to(device)
        self.device = self._labels.device  # "cuda" has become "cuda:0", as it will be called from now on
        pixels = _as_tensor(images.pixels)
        self._pixels = pixels.to(device) if _fits(pixels, device) else pixels
        self._mapped = Mapped(images.pixels)

    def __len__(self) -> int:
        return len(self._labels)

    def select(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels and labels of these images, on the device."""
        there = index.to(self.device, non_blocking=True)
        chosen = self._pixels.index_select(0, index.to(self._pixels.device))
        self._mapped.used(len(index), chosen[0].nbytes if len(index) else 0)
        if chosen.device == self.device:
            return chosen, self._labels.index_select(0, there)
        return chosen.pin_memory().to(self.device, non_blocking=True), self._labels.index_select(0, there)

    def stream(self, indices: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """`select` for one index after the other, a batch ahead where pixels have to be copied to the device."""
        if self._pixels.device == self.device:
            return map(self.select, indices)
        return self._ahead(indices)

    def _ahead(self, indices: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Copy the next batch on a stream of its own while the present one is computed on."""
        copying = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        coming = deque[tuple[tuple[Tensor, Tensor], torch.cuda.Event]]()
        for index in indices:
            with torch.cuda.stream(copying):
                coming.append((self.select(index), copying.record_event()))
            if len(coming) > 1:
                yield _arrived(*coming.popleft())
        while coming:
            yield _arrived(*coming.popleft())


def _arrived(batch: tuple[Tensor, Tensor], copied: torch.cuda.Event) -> tuple[Tensor, Tensor]:
    """Have the GPU wait for the copy, and keep its memory until the present stream is done with it."""
    present = torch.cuda.current_stream(batch[0].device)
    present.wait_event(copied)
    for tensor in batch:
        tensor.record_stream(present)
    return batch


def _as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    if isinstance(pixels.base, mmap.mmap) and pixels.nbytes > _PAGE_CACHE_SHARE * host_bytes():
        # Reading ahead fills the page cache sooner, but here it would push out what was read before: batches jump
        # about, and for every picture of a few kilobytes the kernel would read a hundred or more around it.
        pixels.base.madvise(mmap.MADV_RANDOM)
    with warnings.catch_warnings():
        # A cache file is mapped read-only, and nothing here writes to it: index_select copies.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(pixels)


def _fits(pixels: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.numel() <= free * _DEVICE_SHARE


@dataclass(frozen=True)
class Batch:
    """The images of one optimizer step, augmented but bytes still.

    As a network eats them they are many times as large, so each part of them is prepared when its turn comes. With a
    `share`, only its images are here; their rows are still counted through the whole step.
    """

    pixels: Tensor
    labels: Tensor
    corners: Corners | None
    prepare: Callable[[Tensor, Corners | None], Tensor]
    share: Share | None = None

    def __len__(self) -> int:
        return self.share.whole if self.share else len(self.labels)

    def rows(self, parts: int) -> list[range]:
        """The rows of so many equal parts of what is to be computed here."""
        own = self.share.rows if self.share else range(len(self))
        size = len(own) // parts
        return [own[first : first + size] for first in range(0, size * parts, size)]

    def part(self, rows: range) -> "Batch":
        """These rows alone; row -1 is the last one."""
        first = self.share.held.start if self.share else 0
        here = range(rows.start - first, rows.stop - first)
        corners = None if self.corners is None else [self.corners[row] for row in here]
        return Batch(rows_of(self.pixels, here), rows_of(self.labels, here), corners, self.prepare)

    def images(self) -> Tensor:
        """All of them as the network wants them."""
        return self.prepare(self.pixels, self.corners)


class Batches:
    """A part of a split, in batches; what is random in them follows from (seed, epoch, step) alone.

    Of several ranks, each gets its share of every batch.
    """

    def __init__(
        self, source: Source, index: NDArray[np.int64], *, form: Format, batch_size: int, ranks: Ranks = ALONE
    ) -> None:
        self.batch_size = batch_size
        self._ranks = ranks
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

    def shuffled(self, seed: int, *, augmentation: Augmentation, start: int = 0, stop: int) -> Iterator[Batch]:
        """Training batches for the optimizer steps start … stop-1, in an order of its own for every epoch."""
        share = self._ranks.share_of_step(self.batch_size)
        chosen = self._chosen(seed, start=start, stop=stop)
        held = (rows_of(index, share.held) for index in chosen) if share else chosen
        for step, (pixels, labels) in enumerate(self._source.stream(held), start=start):
            drawn = generator(seed, use=Use.AUGMENTATION, position=step)
            changed = augment(pixels, augmentation, generator=drawn, share=share)
            yield Batch(changed, labels, self._corners(share, drawn), self._prepared, share)

    def _corners(self, share: Share | None, drawn: np.random.Generator) -> Corners | None:
        if self._form.crop_from is None:
            return None
        corners = random_corners(self.batch_size, self._form.crop_from - self._form.side, generator=drawn)
        return [corners[row] for row in share.held] if share else corners

    def _chosen(self, seed: int, *, start: int, stop: int) -> Iterator[Tensor]:
        for step in range(start, stop):
            epoch, position = divmod(step, self.per_epoch)
            if step == start or position == 0:
                order = torch.from_numpy(generator(seed, use=Use.ORDER, position=epoch).permutation(len(self)))
            yield self._index[order[position * self.batch_size : (position + 1) * self.batch_size]]

    def last_of_first_epoch(self, seed: int, *, count: int) -> "Batches":
        """Up to `count` images that `shuffled` comes to last in its first epoch."""
        order = generator(seed, use=Use.ORDER, position=0).permutation(len(self))
        # A training's batch may be many parts, too large to go through the network at once; `in_order` finds its own.
        index = self._index.numpy()[order[-count:]]
        return Batches(self._source, index, form=self._form, batch_size=1, ranks=self._ranks)

    def spread(self, count: int) -> tuple[Tensor, Tensor]:
        """Up to `count` images from all over the split, unchanged, in one batch: the same on every rank."""
        places = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(np.int64))
        pixels, labels = self._source.select(self._index[torch.from_numpy(places)])
        return self._prepared(pixels), labels

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, unchanged, in large batches; as many of them on every rank, where one may be empty."""
        ranks = self._ranks
        size = max(self.batch_size, ranks.count * min(1024, _EVALUATION_PIXELS // self._form.side**2))
        parts = (self._index[first : first + size] for first in range(0, len(self), size))
        shares = (rows_of(part, ranks.share(len(part))) for part in parts)
        for pixels, labels in self._source.stream(shares):
            yield self._prepared(pixels), labels

    def _prepared(self, pixels: Tensor, corners: Corners | None = None) -> Tensor:
        """(N, C, H, W) uint8 → (N, channels, side, side) float32, channels last."""
        images = pixels.to(torch.float32)
        if images.shape[1] < len(self._form.mean):
            images = images.expand(-1, len(self._form.mean), -1, -1)
        images = images.sub(self._mean).div_(self._std)
        if images.shape[1] < self._form.channels:
            images = images.expand(-1, self._form.channels, -1, -1)
        side = self._form.crop_from or self._form.side
        if images.shape[2] != side:
            images = _resized(images, side)
        if side != self._form.side:
            images = cut(images, self._form.side, corners)
        return images.contiguous(memory_format=torch.channels_last)


def _resized(images: Tensor, side: int) -> Tensor:
    # Enlarging needs no antialiasing, and reducing looks wrong without it.
    return functional.interpolate(images, size=(side, side), mode="bilinear", antialias=images.shape[2] > side)
