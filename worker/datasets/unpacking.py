"""Unpacks compressed streams, front to back, with a bound on the memory that one may ask for."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from backports import zstd

from worker.datasets.members import Form

WINDOW_BYTES = 128 << 20  #: twice what `xz -9` needs; what zstd takes unless told otherwise
_CHUNK_BYTES = 1 << 17


class Source(Protocol):
    """What is read from its beginning to its end."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class _Decoder(Protocol):
    """What lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class NeedsTooMuchMemory(NotImplementedError):
    """It was packed with a window larger than what is read."""


@contextmanager
def unpacked(path: Path, form: Form) -> Iterator[Source]:
    """The tar in a file; its reader raises what its library raises where it is damaged."""
    with path.open("rb") as file:
        match form:
            case "tar.gz":
                with gzip.GzipFile(fileobj=file) as opened:
                    yield opened
            case "tar.bz2":
                with bz2.BZ2File(file) as opened_bz2:
                    yield opened_bz2
            case "tar.xz":
                yield _Decoded(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=WINDOW_BYTES))
            case "tar.zst":
                window: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_BYTES.bit_length() - 1}
                yield _Decoded(file, lambda: zstd.ZstdDecompressor(options=window))
            case _:
                yield file


class _Decoded:
    """What follows from one stream or several, one after the other; the libraries' own readers set no bounds."""

    def __init__(self, file: IO[bytes], make: Callable[[], _Decoder]) -> None:
        self._file = file
        self._make = make
        self._decoder = make()

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end; raises EOFError in the middle of a stream."""
        while True:
            data = b""
            if self._decoder.eof:
                rest = self._decoder.unused_data or self._file.read(_CHUNK_BYTES)
                if not rest:
                    return b""
                self._decoder = self._make()
                data = self._decode(rest, size)
            elif self._decoder.needs_input:
                more = self._file.read(_CHUNK_BYTES)
                if not more:
                    raise EOFError("it ends in the middle of its compressed data")
                data = self._decode(more, size)
            else:
                data = self._decode(b"", size)
            if data:
                return data

    def _decode(self, data: bytes, size: int) -> bytes:
        try:
            return self._decoder.decompress(data, size)
        except (lzma.LZMAError, zstd.ZstdError) as error:
            # Both say so in words alone: "Memory usage limit exceeded", "Frame requires too much memory".
            if "memory" in str(error).lower():
                detail = f"unpacking it takes more than {WINDOW_BYTES >> 20} MiB of memory"
                raise NeedsTooMuchMemory(detail) from error
            raise
