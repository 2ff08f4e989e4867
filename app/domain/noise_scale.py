"""How large a batch is worth it: the simple gradient noise scale (McCandlish et al. 2018, arXiv:1812.06162).

It is the batch size at which noise and true gradient are equally large. Below it, twice the batch almost halves the
steps that a loss takes; above it, hardly. It is smallest at the beginning of a training, so it errs on the small side.
"""

import math

SMALLEST, LARGEST = 16, 1024  # batch sizes that are chosen
ASSUMED = 128  # where a batch size is to be chosen and nothing was measured yet


def noise_scale(small: float, big: float, *, small_size: int, big_size: int) -> float:
    """B_simple from the mean squared norms of gradients at two batch sizes (appendix A.1).

    Infinite where noise hides the true gradient, whose estimated square is then not above 0; at least 1, since no batch
    is smaller.
    """
    square = (big_size * big - small_size * small) / (big_size - small_size)
    noise = (small - big) / (1 / small_size - 1 / big_size)
    return max(1.0, noise / square) if square > 0 else math.inf


def step_progress(size: float, noise: float) -> float:
    """What a step with a batch of this size gains, as a share of one with the exact gradient (equation 2.7)."""
    return 1 / (1 + noise / size)


def image_progress(size: float, noise: float) -> float:
    """What an image gains in a batch of this size, as a share of what it gains in the smallest."""
    return 1 / (1 + size / noise)


def worthwhile_batch(noise: float, *, images: int) -> int:
    """The largest power of two that neither the noise scale nor the data's size forbids, within the bounds."""
    most = max(SMALLEST, min(noise, LARGEST, images))
    return min(images, 1 << math.floor(math.log2(most)))
