"""Zero-phase smoothing: LOESS, a straight line fitted around every point. Nothing is shifted, unlike a running mean."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def loess(positions: Array, values: Array, *, share: float, most: int = 400) -> Array:
    """`values` smoothed over the given share of the points; equally long, NaN where a value is not finite.

    `positions` must rise. More than `most` points are averaged over runs of neighbours first, because the fit costs
    their square.
    """
    finite = np.isfinite(values)
    centres, means = condense(positions[finite], most=most), condense(values[finite], most=most)
    smooth = loess_matrix(centres, neighbours=round(share * len(centres))) @ means
    return np.where(finite, np.interp(positions, centres, smooth), np.nan)


def loess_matrix(positions: Array, *, neighbours: int) -> Array:
    """The matrix that smooths any values taken at `positions`, shape (n, n), rows adding up to 1.

    Each row is the local line through the `neighbours` nearest points, tricube-weighted (Cleveland 1979).
    """
    count = len(positions)
    if count < 3:
        raise ValueError(f"smoothing needs at least 3 points, not {count}")
    offsets = positions[None, :] - positions[:, None]
    distances = np.abs(offsets)
    # One past the last neighbour, which would itself get weight 0.
    reach = np.sort(distances, axis=1)[:, min(max(neighbours, 3), count - 1)] * (1 + 1e-9)
    weights = np.clip(1 - (distances / reach[:, None]) ** 3, 0, None) ** 3
    mass, lean, spread = ((weights * offsets**power).sum(axis=1, keepdims=True) for power in (0, 1, 2))
    rows: Array = weights * (spread - lean * offsets) / (mass * spread - lean**2)
    return rows


def condense(values: Array, *, most: int) -> Array:
    """At most `most` means of about equally long runs of neighbouring values, in order."""
    runs = np.array_split(values, min(most, len(values)))
    return np.array([run.mean() for run in runs])
