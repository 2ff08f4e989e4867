"""Writes zips field by field, so that any of them can lie."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from tests.worker.datasets.hostile.entry import GOOD

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
END_64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR_64 = struct.Struct("<4sIQI")


@dataclass(frozen=True)
class Part:
    """One entry. What is None is as it should be; `listed_*` is what the list of entries says instead."""

    name: bytes
    data: bytes = b""
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    packed: bytes | None = None
    offset: int | None = None
    extra: bytes = b""
    listed_name: bytes | None = None
    listed_flags: int | None = None
    listed_method: int | None = None
    listed_size: int | None = None
    listed_packed_size: int | None = None
    listed_crc: int | None = None
    listed_extra: bytes | None = None
    version: int = 20
    is_listed: bool = True

    def content(self) -> bytes:
        """As it lies in the file."""
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == 8 else self.data


def deflated(data: bytes) -> bytes:
    """Without a header, as zips have it."""
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def good(files: Mapping[str, bytes] = GOOD) -> list[Part]:
    """The entries of a good set."""
    return [Part(name.encode(), data, method=0) for name, data in files.items()]


def _or(given, other):
    return other if given is None else given


def _listed(part: Part, offset: int, told: tuple[int, int, int]) -> bytes:
    """The entry in the list, where it may be another."""
    name, extra = _or(part.listed_name, part.name), _or(part.listed_extra, part.extra)
    flags, method = _or(part.listed_flags, part.flags), _or(part.listed_method, part.method)
    others = part.listed_crc, part.listed_packed_size, part.listed_size
    numbers = [_or(other, first) for other, first in zip(others, told, strict=True)]
    start = b"PK\1\2", (3 << 8) | 20, part.version, flags, method, 0, 33
    return CENTRAL.pack(*start, *numbers, len(name), len(extra), 0, 0, 0, part.mode << 16, offset) + name + extra


def zipped(*parts: Part, before: bytes = b"", comment: bytes = b"", **end: int) -> bytes:
    """A whole zip: offsets heed what stands `before` it; `end` changes the last record."""
    body, listing = before, b""
    for part in parts:
        offset = _or(part.offset, len(body))
        packed = part.content()
        crc, size = _or(part.crc, zlib.crc32(part.data)), _or(part.size, len(part.data))
        packed_size = _or(part.packed_size, len(packed))
        told = crc, packed_size, size
        lengths = len(part.name), len(part.extra)
        body += LOCAL.pack(b"PK\3\4", part.version, part.flags, part.method, 0, 33, *told, *lengths)
        body += part.name + part.extra + packed
        listing += _listed(part, offset, told) if part.is_listed else b""
    listed = sum(part.is_listed for part in parts)
    fields = {
        "disk": 0,
        "list_disk": 0,
        "here": listed,
        "entries": listed,
        "bytes": len(listing),
        "offset": len(body),
    }
    fields |= {"comment_bytes": len(comment)} | end
    return body + listing + END.pack(b"PK\5\6", *fields.values()) + comment


def with_zip64(data: bytes, **changes: int) -> bytes:
    """A good zip whose end is told in 64 bits, with lies in it."""
    head, end = data[: -END.size], END.unpack(data[-END.size :])
    fields = {"size": 44, "made": 45, "needs": 45, "disk": 0, "list_disk": 0, "here": end[3], "entries": end[4]}
    fields |= {"bytes": end[5], "offset": end[6]} | {key: value for key, value in changes.items() if key != "at"}
    record = END_64.pack(b"PK\6\6", *fields.values())
    locator = LOCATOR_64.pack(b"PK\6\7", 0, changes.get("at", len(head)), 1)
    return head + record + locator + END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
