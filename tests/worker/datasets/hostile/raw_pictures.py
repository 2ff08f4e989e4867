"""Writes pictures field by field, so that any of them can lie."""

import random
import struct
import zlib

from PIL import Image

from tests.worker.datasets.hostile import raw_zip
from tests.worker.datasets.hostile.entry import GOOD

MIB = 1 << 20


def in_a_set(data: bytes, name: str = "cat/x.jpg") -> bytes:
    """Beside good ones."""
    return raw_zip.zipped(*raw_zip.good(GOOD | {name: data}))


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    """Of a PNG."""
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)
    )


def raw_png(
    width: int, height: int, *, depth: int = 8, colour: int = 0, pixels: bytes | None = None, extra: bytes = b""
) -> bytes:
    """Field by field; without `pixels`, all that it claims are zero."""
    ihdr = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + extra + chunk(b"IDAT", pixels or b"") + chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """So many, deflated, without holding them."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(min(MIB, size - start))) for start in range(0, size, MIB))
    return packed + packer.flush()


def photo(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Noise, which packs badly."""
    return Image.frombytes("RGB", size, random.Random(0).randbytes(size[0] * size[1] * 3))


def tiff(entries: list[tuple[int, int, int, int]], *, data: bytes = b"") -> bytes:
    """A directory of (tag, type, count, value), then `data`."""
    listing = b"".join(struct.pack("<HHII", *found) for found in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + listing + bytes(4) + data
