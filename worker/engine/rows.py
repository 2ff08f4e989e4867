"""Rows of a batch, picked without copying where that can be."""

from torch import Tensor, cat


def rows_of(tensor: Tensor, rows: range) -> Tensor:
    """Consecutive rows, of which the first may be -1: a view where it can be, and never an index to be copied."""
    if rows.start >= 0:
        return tensor[rows.start : rows.stop]
    return cat((tensor[rows.start :], tensor[: rows.stop]))
