"""Training images with a part blanked out or taken from another image, and the targets that go with them."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.batches import Batch
from worker.engine.rows import rows_of


@dataclass(frozen=True)
class Mixing:
    """What is done to the normalised images of a step; None is not at all.

    `mixup` (Zhang et al. 2017, arXiv:1710.09412) and `cutmix` (Yun et al. 2019, arXiv:1905.04899) are the alpha of
    a Beta distribution, `cutout` (DeVries & Taylor 2017, arXiv:1708.04552) is a side in pixels.
    """

    mixup: float | None = None
    cutmix: float | None = None
    cutout: int | None = None


@dataclass(frozen=True)
class Targets:
    """What each image shows: its label, or by `share` its label and by the rest its partner's."""

    labels: Tensor
    partners: Tensor | None = None
    share: float = 1.0

    def loss(self, logits: Tensor, *, label_smoothing: float) -> Tensor:
        """Mean cross-entropy, between the two labels by share."""
        loss = functional.cross_entropy(logits, self.labels, label_smoothing=label_smoothing)
        if self.partners is None:
            return loss
        other = functional.cross_entropy(logits, self.partners, label_smoothing=label_smoothing)
        return self.share * loss + (1 - self.share) * other

    def hits(self, logits: Tensor) -> Tensor:
        """How many images were classified as the label with the larger share: a whole number, however it was mixed."""
        labels = self.labels if self.partners is None or self.share >= 0.5 else self.partners
        return (logits.argmax(1) == labels).sum()


@dataclass(frozen=True)
class Squares:
    """The square that each image of a step loses: which lines of pixels it covers, and which columns."""

    lines: Tensor
    columns: Tensor

    def cut_out(self, images: Tensor, rows: range) -> Tensor:
        """Set the squares of these rows of the step to 0, the mean of normalised images."""
        lines, columns = rows_of(self.lines, rows), rows_of(self.columns, rows)
        # torch.where keeps channels last, masked_fill does not.
        return torch.where(lines[:, None, :, None] & columns[:, None, None, :], 0.0, images)


@dataclass(frozen=True)
class Blend:
    """How all images of a step are mixed: by `share` with another each, or into all but a box of it."""

    share: float
    box: tuple[slice, slice] | None = None

    def of(self, images: Tensor, others: Tensor) -> Tensor:
        """Each image mixed with its partner."""
        if self.box is None:
            return others.lerp(images, self.share)
        mixed = images.clone()  # keeps channels last
        mixed[:, :, *self.box] = others[:, :, *self.box]
        return mixed


@dataclass(frozen=True)
class Drawn:
    """What the dice said for one step, however many parts it is taken in."""

    squares: Squares | None = None
    blend: Blend | None = None

    def apply(self, batch: Batch, rows: range) -> tuple[Tensor, Targets]:
        """What the network is shown of these rows, and what it should say.

        Every image's partner is the one before it: in a shuffled batch that is a random one, and never itself.
        """
        if self.blend is None:
            images, labels = self._cut(batch, rows)
            return images, Targets(labels)
        images, labels = self._cut(batch, range(rows.start - 1, rows.stop))
        return self.blend.of(images[1:], images[:-1]), Targets(labels[1:], labels[:-1], self.blend.share)

    def _cut(self, batch: Batch, rows: range) -> tuple[Tensor, Tensor]:
        part = batch.part(rows)
        images = part.images()
        return images if self.squares is None else self.squares.cut_out(images, rows), part.labels


def draw_squares(count: int, length: int, *, of: int, device: torch.device, generator: np.random.Generator) -> Squares:
    """Squares of `length` pixels around a random pixel of each image, which has `of` pixels a side."""
    centres = [torch.from_numpy(generator.integers(of, size=count)) for _ in ("lines", "columns")]
    return Squares(*(_inside(each, length, of).to(device, non_blocking=True) for each in centres))


def _inside(centres: Tensor, length: int, side: int) -> Tensor:
    """(N,) centres → (N, side), true within the `length` positions around each."""
    offsets = torch.arange(side) - (centres - length // 2)[:, None]
    return (offsets >= 0) & (offsets < length)


def draw_blend(mixing: Mixing, *, side: int, generator: np.random.Generator) -> Blend | None:
    """One way and one share for the whole step."""
    ways = [(way, alpha) for way, alpha in (("mixup", mixing.mixup), ("cutmix", mixing.cutmix)) if alpha is not None]
    if not ways:
        return None
    way, alpha = ways[int(generator.integers(len(ways)))]
    share = float(generator.beta(alpha, alpha))
    return Blend(share) if way == "mixup" else _box(side, share, generator)


def _box(side: int, share: float, generator: np.random.Generator) -> Blend:
    """A box at a random place; what of it lies outside the image goes back to the image's share."""
    top, bottom = _span(side, sqrt(1 - share), generator)
    left, right = _span(side, sqrt(1 - share), generator)
    return Blend(1 - (bottom - top) * (right - left) / side**2, (slice(top, bottom), slice(left, right)))


def _span(length: int, share: float, generator: np.random.Generator) -> tuple[int, int]:
    """A stretch of `share` of the length around a random pixel, cut off at the borders."""
    size = round(length * share)
    first = int(generator.integers(length)) - size // 2
    return max(first, 0), min(first + size, length)
