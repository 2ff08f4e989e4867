"""Training images with a part blanked out or taken from another image, and the targets that go with them."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Mixing:
    """What is done to a batch of normalised images; None is not at all.

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

    def chunk(self, parts: int) -> list["Targets"]:
        """The targets of so many equal parts of the batch."""
        labels = self.labels.chunk(parts)
        if self.partners is None:
            return [Targets(part) for part in labels]
        return [Targets(*part, self.share) for part in zip(labels, self.partners.chunk(parts), strict=True)]

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


def mix(pixels: Tensor, labels: Tensor, mixing: Mixing, *, generator: np.random.Generator) -> tuple[Tensor, Targets]:
    """Mix every image with its neighbour: in a shuffled batch that is a random partner, and never itself.

    The whole batch is mixed in one way, with one share.
    """
    ways = [(way, alpha) for way, alpha in (("mixup", mixing.mixup), ("cutmix", mixing.cutmix)) if alpha is not None]
    if not ways:
        return pixels, Targets(labels)
    way, alpha = ways[int(generator.integers(len(ways)))]
    share, others = float(generator.beta(alpha, alpha)), pixels.roll(1, 0)
    if way == "mixup":
        mixed = others.lerp(pixels, share)
    else:
        mixed, share = _pasted(pixels, others, share=share, generator=generator)
    return mixed, Targets(labels, labels.roll(1), share)


def _pasted(pixels: Tensor, others: Tensor, *, share: float, generator: np.random.Generator) -> tuple[Tensor, float]:
    """A box of `others` at a random place; what of it lies outside the image goes back to the image's share."""
    height, width = pixels.shape[2:]
    top, bottom = _span(height, sqrt(1 - share), generator)
    left, right = _span(width, sqrt(1 - share), generator)
    mixed = pixels.clone()  # keeps channels last
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _span(length: int, share: float, generator: np.random.Generator) -> tuple[int, int]:
    """A stretch of `share` of the length around a random pixel, cut off at the borders."""
    size = round(length * share)
    first = int(generator.integers(length)) - size // 2
    return max(first, 0), min(first + size, length)


def cut_out(pixels: Tensor, side: int, *, generator: np.random.Generator) -> Tensor:
    """Set a square of `side` pixels around a random pixel of each image to 0, the mean of normalised images."""
    count, _, height, width = pixels.shape
    rows = _inside(torch.from_numpy(generator.integers(height, size=count)), side, height)
    columns = _inside(torch.from_numpy(generator.integers(width, size=count)), side, width)
    rows, columns = (mask.to(pixels.device, non_blocking=True) for mask in (rows, columns))
    # torch.where keeps channels last, masked_fill does not.
    return torch.where(rows[:, None, :, None] & columns[:, None, None, :], 0.0, pixels)


def _inside(centres: Tensor, side: int, length: int) -> Tensor:
    """(N,) centres → (N, length), true within the `side` positions around each."""
    offsets = torch.arange(length) - (centres - side // 2)[:, None]
    return (offsets >= 0) & (offsets < side)
