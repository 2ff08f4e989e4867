"""Keeps what a process has mapped of a large file small: its resident memory must not grow to the file's size."""

import mmap

import numpy as np
from numpy.typing import NDArray

MOST_MAPPED_BYTES = 256 << 20
FAULT_BYTES = 64 << 10  #: what the kernel maps around a page that is read, of a file that is in its cache


class Mapped:
    """Counts what is read from maps, or written, and lets go of them now and then.

    The pages stay in the system's cache, written ones too, so that using them again costs a fault and no reading. What
    is no map is left alone, and so are small ones.
    """

    def __init__(self, *arrays: NDArray[np.uint8]) -> None:
        bases: list[object] = [array.base for array in arrays if array.nbytes > MOST_MAPPED_BYTES]
        self._maps = [base for base in bases if isinstance(base, mmap.mmap)]
        self._bytes = 0

    def used(self, pieces: int, each_bytes: int) -> None:
        """Take note of pieces that lie somewhere in it; of those side by side that is one."""
        self._bytes += pieces * max(each_bytes, FAULT_BYTES)
        if self._bytes > MOST_MAPPED_BYTES:
            self._bytes = 0
            for one in self._maps:
                one.madvise(mmap.MADV_DONTNEED)
