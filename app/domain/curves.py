"""Fewer points of a curve without losing its peaks: picks rows of aligned columns."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Column = Sequence[float | None] | NDArray[np.float64]


def downsample(columns: Mapping[str, Column], max_points: int) -> dict[str, list[float | None]]:
    """The rows that matter: the first, the last and, bucket by bucket, those with the extremes of any column.

    Never more than `max_points` rows. Columns stay aligned, values untouched; what is not finite is never an extreme.
    """
    if max_points < 2:
        raise ValueError(f"max_points must be at least 2, for the first and the last row, not {max_points}")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns must be equally long, not {lengths}")
    count = next(iter(lengths.values()), 0)
    if count <= max_points:
        return {name: list(column) for name, column in columns.items()}
    series = np.array([np.array(column, dtype=np.float64) for column in columns.values()])
    rows = _rows(series, max_points=max_points).tolist()
    return {name: [column[row] for row in rows] for name, column in columns.items()}


def _rows(series: NDArray[np.float64], *, max_points: int) -> NDArray[np.intp]:
    """As many buckets as fit: columns that peak together share rows, so more fit than the worst case says."""
    buckets = (max_points - 2) // 2
    while buckets:
        rows = _extremes(series, buckets=buckets)
        if len(rows) <= max_points:
            return rows
        buckets = buckets * 3 // 4
    return np.linspace(0, series.shape[1] - 1, max_points).round().astype(np.intp)


def _extremes(series: NDArray[np.float64], *, buckets: int) -> NDArray[np.intp]:
    count = series.shape[1]
    width = -(-count // buckets)
    starts = np.arange(0, count, width)
    padding = ((0, 0), (0, len(starts) * width - count))
    shape = (len(series), len(starts), width)
    finite = np.isfinite(series)
    lowest = np.pad(np.where(finite, series, np.inf), padding, constant_values=np.inf).reshape(shape).argmin(axis=2)
    highest = np.pad(np.where(finite, series, -np.inf), padding, constant_values=-np.inf).reshape(shape).argmax(axis=2)
    picked = np.concatenate([(lowest + starts).ravel(), (highest + starts).ravel(), [0, count - 1]])
    return np.unique(picked)
