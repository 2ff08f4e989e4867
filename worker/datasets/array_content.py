"""Reads a stored array piece by piece: its header is judged before anything of its size is allocated."""

import gzip
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from worker.datasets import idx
from worker.datasets.array_files import Stored
from worker.datasets.errors import Refused, reason_of

MAX_IMAGES = 10_000_000
MAX_ITEM_BYTES = 256 << 20  #: of one picture
MAX_BYTES = 64 << 30
MAX_RATIO = 200  #: bytes for each byte of its file; drawings in black and white reach 115
RATIO_FREE_BYTES = 1 << 30  #: below this much the ratio is not looked at
_BLOCK_BYTES = 4 << 20
_SAVE_AGAIN = "Save it again, with numpy.savez or as IDX."


@dataclass(frozen=True, slots=True)
class Header:
    """What an array says of itself."""

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"

    @property
    def item_bytes(self) -> int:
        """Bytes of each entry along the first axis."""
        return self.dtype.itemsize * math.prod(self.shape[1:])


def read_header(stored: Stored) -> Header:
    """Shape and type; raises Refused if it is no array of numbers, or one that is too large to be read."""
    with _opened(stored) as content:
        return _header(content, stored)


def read_blocks(stored: Stored) -> Iterator[NDArray[Any]]:
    """Its entries in order, some megabytes at a time; raises Refused if it does not end where its header says."""
    with _opened(stored) as content:
        header = _header(content, stored)
        count, rows = header.shape[0], max(1, _BLOCK_BYTES // header.item_bytes)
        for start in range(0, count, rows):
            wanted = min(rows, count - start)
            data = content.read(wanted * header.item_bytes)
            if len(data) < wanted * header.item_bytes:
                raise _unreadable(stored, f"it ends before its entry {start + len(data) // header.item_bytes}")
            yield np.frombuffer(data, header.dtype).reshape(wanted, *header.shape[1:])
        if content.read(1):
            raise _unreadable(stored, f"it goes on after the {count:,} entries that its header names")


def read_whole(stored: Stored, header: Header, *, max_bytes: int) -> NDArray[Any]:
    """All of a small array."""
    if header.shape[0] * header.item_bytes > max_bytes:
        raise too_large(stored, f"It takes more than {max_bytes:,} bytes.")
    return np.concatenate(list(read_blocks(stored)))


def too_large(stored: Stored, detail: str) -> Refused:
    """The array cannot be taken at its size."""
    return Refused("array_too_large", stored.name, detail=detail, hint="Send fewer or smaller images.")


@contextmanager
def _opened(stored: Stored) -> Iterator[IO[bytes]]:
    """The content from its header on. Whatever a broken file makes its reader raise becomes Refused."""
    try:
        if stored.member is not None:
            with zipfile.ZipFile(stored.path) as npz, npz.open(stored.member) as content:
                yield content
        elif stored.path.suffix.lower() == ".gz":
            with gzip.open(stored.path) as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            with stored.path.open("rb") as file:
                yield file
    except (MemoryError, Refused):
        raise
    except Exception as error:  # zlib errors, bad checksums, encryption, nonsense in headers
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the array's
        raise _unreadable(stored, reason_of(error)) from error


def _header(content: IO[bytes], stored: Stored) -> Header:
    if stored.member is None:
        header = Header(idx.read_shape(content, stored.path.name), np.dtype(np.uint8))
    else:
        header = _npy_header(content, stored)
    _refuse_large(stored, header)
    return header


def _npy_header(content: IO[bytes], stored: Stored) -> Header:
    version = np.lib.format.read_magic(content)
    if version not in ((1, 0), (2, 0)):
        raise _unreadable(stored, f"its format has the version {version}")
    shape, is_column_order, dtype = _fields(content, stored, is_first=version == (1, 0))
    if dtype.hasobject or dtype.names:
        detail = "It holds Python objects or records, which are not read."
        raise Refused("object_array", stored.name, detail=detail, hint="Save plain numbers: array.astype('uint8').")
    if is_column_order:
        detail = "Its values are stored column by column."
        hint = "Save it with numpy.ascontiguousarray(array)."
        raise Refused("column_order", stored.name, detail=detail, hint=hint)
    return Header(shape, dtype)


def _fields(content: IO[bytes], stored: Stored, *, is_first: bool) -> tuple[tuple[int, ...], bool, "np.dtype[Any]"]:
    """What numpy makes of a header; for one that is none it speaks of Python, or runs out of its parser's memory."""
    formats = np.lib.format
    read = formats.read_array_header_1_0 if is_first else formats.read_array_header_2_0
    try:
        return read(content)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise _unreadable(stored, "its header is not that of an array") from error


def _refuse_large(stored: Stored, header: Header) -> None:
    if not header.shape or min(header.shape) < 1 or not header.item_bytes:
        raise Refused("empty_array", stored.name, detail=f"Its shape is {header.shape}.", hint="Leave it out.")
    total = header.shape[0] * header.item_bytes
    if header.shape[0] > MAX_IMAGES:
        raise too_large(stored, f"It has {header.shape[0]:,} entries; at most {MAX_IMAGES:,} are read.")
    if header.item_bytes > MAX_ITEM_BYTES:
        raise too_large(stored, f"One entry takes {header.item_bytes:,} bytes; at most {MAX_ITEM_BYTES:,} are read.")
    if total > MAX_BYTES:
        raise too_large(stored, f"It takes {total:,} bytes; at most {MAX_BYTES:,} are read.")
    if total > max(RATIO_FREE_BYTES, MAX_RATIO * stored.path.stat().st_size):
        raise too_large(stored, f"It unpacks to more than {MAX_RATIO} times the size of its file.")


def _unreadable(stored: Stored, reason: str) -> Refused:
    return Refused("unreadable_array", stored.name, detail=f"It cannot be read: {reason}.", hint=_SAVE_AGAIN)
