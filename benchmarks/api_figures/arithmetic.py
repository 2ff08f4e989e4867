"""The arithmetic of a load: percentiles, and when each request of an open loop is due."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that this share of all does not exceed: one that was measured, never one in between."""
    if not values or not 0 < share <= 1:
        raise ValueError(f"needs values and a share in (0, 1], not {len(values)} and {share}")
    # 0.07 * 100 is a little over 7, and must not be the eighth.
    return sorted(values)[math.ceil(round(share * len(values), 9)) - 1]


def due_times(rate: float, seconds: float) -> list[float]:
    """When each request is due, in seconds from the start: evenly, however long the answers take."""
    if rate <= 0 or seconds <= 0:
        raise ValueError(f"needs a rate and a duration above 0, not {rate} and {seconds}")
    return [number / rate for number in range(max(1, round(rate * seconds)))]


def latencies(due: Sequence[float], answered: Sequence[float]) -> list[float]:
    """How long each caller waited, counted from when it wanted to ask.

    A request that had to wait for a free connection has waited: counted from when it was sent, a server that stalls
    would look quick to everybody whom it kept from asking.
    """
    return [end - start for start, end in zip(due, answered, strict=True)]
