"""How much memory a training takes: of its GPUs where it uses any, else of the machine."""

import resource
import time

import torch

EVERY_SECONDS = 1.0  #: asking the allocator takes a tenth of a millisecond; some steps take no longer


class Memory:
    """The most that this process has held so far, measured now and then."""

    def __init__(self) -> None:
        self._measured = float("-inf")
        self._most = 0

    def most_bytes(self) -> int:
        """The figure, at most a second old. Waits for no device."""
        if time.monotonic() - self._measured >= EVERY_SECONDS:
            self._measured, self._most = time.monotonic(), _most_bytes()
        return self._most


def _most_bytes() -> int:
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return sum(torch.cuda.max_memory_reserved(index) for index in range(torch.cuda.device_count()))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10  # Linux counts in KiB
