"""The window that is cut out of larger images: anywhere when training, in the middle when evaluating."""

import numpy as np
import torch
from torch import Tensor

Corners = list[list[int]]  #: top and left of each image's window


def random_corners(count: int, room: int, *, generator: np.random.Generator) -> Corners:
    """A window for each image, where it may move by `room` pixels; thrown on the CPU."""
    corners: Corners = generator.integers(0, room + 1, size=(count, 2)).tolist()
    return corners


def cut(images: Tensor, side: int, corners: Corners | None) -> Tensor:
    """(N, C, H, H) → (N, C, side, side): at each image's own corner, or from the middle of all."""
    if corners is None:
        middle = (images.shape[2] - side) // 2
        return images[:, :, middle : middle + side, middle : middle + side]
    pairs = zip(images, corners, strict=True)
    return torch.stack([image[:, top : top + side, left : left + side] for image, (top, left) in pairs])
