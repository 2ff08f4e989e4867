"""Writes tars field by field, so that any of them can lie."""

import bz2
import gzip
import lzma
from collections.abc import Mapping

from backports import zstd

from tests.worker.datasets.hostile.entry import GOOD

BLOCK = 512
END = bytes(2 * BLOCK)

PACKERS = {
    "tar": bytes,
    "tar.gz": lambda data: gzip.compress(data, 1, mtime=0),
    "tar.bz2": lambda data: bz2.compress(data, 1),
    "tar.xz": lambda data: lzma.compress(data, preset=0),
    "tar.zst": zstd.compress,
}


def header(
    name: bytes,
    size: int | bytes = 0,
    *,
    kind: bytes = b"0",
    link: bytes = b"",
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    checksum: int | None = None,
    device: bytes = b"",
) -> bytes:
    """One block; `size` as bytes stands as it is in its field of twelve."""
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    block = name[:100].ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + field.ljust(12, b"\0") + b"%011o\0" % 0
    rest = kind + link[:100].ljust(100, b"\0") + magic + bytes(64) + device.ljust(16, b"\0") + prefix.ljust(155, b"\0")
    rest = rest.ljust(BLOCK - 156, b"\0")
    right = sum(block) + sum(rest) + 8 * 32
    return block + b"%06o\0 " % (right if checksum is None else checksum) + rest


def padded(data: bytes) -> bytes:
    """To whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def member(name: bytes, data: bytes = b"", **fields: object) -> bytes:
    """A header and its content; `size` may be another than the content's."""
    size = fields.pop("size", len(data))
    return header(name, size, **fields) + padded(data)


def pax(records: Mapping[str, str | bytes], *, kind: bytes = b"x", name: bytes = b"pax") -> bytes:
    """An extended header for the entry that follows; `kind` g makes it one for all."""
    data = b"".join(
        record(key.encode(), value.encode() if isinstance(value, str) else value) for key, value in records.items()
    )
    return member(name, data, kind=kind)


def record(key: bytes, value: bytes) -> bytes:
    """One `length key=value` line, whose length counts itself."""
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


def long_name(name: bytes, *, kind: bytes = b"L", size: int | None = None) -> bytes:
    """GNU's header for a name that does not fit."""
    data = name + b"\0"
    return member(b"././@LongLink", data, kind=kind, size=len(data) if size is None else size)


def good(files: Mapping[str, bytes] = GOOD) -> bytes:
    """The entries of a good set, without an end."""
    return b"".join(member(name.encode(), data) for name, data in files.items())


def tar(*parts: bytes, end: bytes = END) -> bytes:
    """What is hostile, after a good set."""
    return good() + b"".join(parts) + end
