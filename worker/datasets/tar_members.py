"""Reads tar archives that anybody may have sent: as a stream, so that nothing is unpacked twice, and within bounds."""

import tarfile
from collections.abc import Iterator
from functools import partial
from typing import IO, cast

from worker.datasets.errors import Refused
from worker.datasets.members import Member, too_large
from worker.datasets.unpacking import Source

# Long names, owners and attributes stand in headers of their own, a kilobyte or two before an entry.
# Little, because to search one takes the standard library the square of its length.
HEADER_BYTES = 1 << 14
_BLOCK_BYTES = 8 * tarfile.BLOCKSIZE  #: what is read at a time, and so perhaps ahead
_KINDS = {
    tarfile.SYMTYPE: "a link",
    tarfile.LNKTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}
_AGAIN = "Pack and send it again."


def tar_members(source: Source, *, most_bytes: int) -> Iterator[Member]:
    """The entries in order; those that are not opened are passed over. `most_bytes` bounds all that is unpacked.

    Raises Refused where an archive is cut off or damaged; the standard library takes much of that for its end.
    """
    tape = _Tape(source, most_bytes)
    with tarfile.open(fileobj=cast("IO[bytes]", tape), mode="r|", bufsize=_BLOCK_BYTES, tarinfo=_Entry) as opened:
        while (info := opened.next()) is not None:
            if info.size < 0:
                raise BrokenHeader(f"an entry of {info.size:,} bytes")
            opened.members.clear()  # type: ignore[attr-defined] # it would keep every header
            tape.expect(info.size)
            yield Member(info.name, _kind(info), info.size, partial(_content, opened, info))
        tape.is_over = True
        _refuse_more(opened)


class _Entry(tarfile.TarInfo):
    """A header that is whole, or an error."""

    @classmethod
    def fromtarfile(cls, tarfile: "tarfile.TarFile") -> "_Entry":
        """The next one; called again by itself for what follows a header of a long name."""
        try:
            return super().fromtarfile(tarfile)
        except _END:
            raise
        except _HEADER_ERROR as error:
            reason = "it is not a tar" if tarfile.offset == 0 else f"{error} after {tarfile.offset:,} bytes"
            raise BrokenHeader(reason) from error


_HEADER_ERROR = tarfile.HeaderError
_END = tarfile.EOFHeaderError  # type: ignore[attr-defined] # missing in the stubs


class BrokenHeader(tarfile.TarError):
    """What should be the header of an entry is none."""


class _Tape:
    """What is unpacked, and how much more of it anybody may take."""

    def __init__(self, source: Source, most_bytes: int) -> None:
        self._source = source
        self._most_bytes = most_bytes
        self._left = most_bytes
        self.is_over = False  #: whether the archive said so; what follows may end anywhere
        self.expect(0)

    def expect(self, size: int) -> None:
        """Lend the bytes of one entry and of the headers before the next."""
        self._lent = size + HEADER_BYTES + 2 * _BLOCK_BYTES

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; Refused where an entry should be."""
        data = self._source.read(size)
        if not data and not self.is_over:
            is_short = self._most_bytes - self._left < tarfile.BLOCKSIZE
            raise BrokenHeader("it is not a tar") if is_short else EOFError("it ends in the middle")
        self._left -= len(data)
        self._lent -= len(data)
        if self._left < 0:
            raise too_large(self._most_bytes)
        if self._lent < 0 and not self.is_over:
            detail = f"It has headers of more than {HEADER_BYTES:,} bytes for one entry."
            raise Refused("damaged_archive", None, detail=detail, hint=_AGAIN)
        return data


def _kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "a sparse file"
    if info.isdir():
        return "folder"
    return "file" if info.isreg() else _KINDS.get(info.type, "of an unknown kind")


def _content(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = opened.extractfile(info)
    assert content is not None  # noqa: S101 - a regular file has content
    return content


def _refuse_more(opened: tarfile.TarFile) -> None:
    """Read on to the end: checksums stand there, and perhaps a second archive that would be passed over in silence."""
    assert opened.fileobj is not None  # noqa: S101 - it was opened from one
    while rest := opened.fileobj.read(1 << 20):
        if rest.count(0) < len(rest):
            detail = "It goes on after the end that it names."
            raise Refused("damaged_archive", None, detail=detail, hint=_AGAIN)
