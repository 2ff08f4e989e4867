"""Zips that contradict themselves: sizes, offsets, lists, checksums, what stands around them."""

import zlib
from collections.abc import Iterator
from dataclasses import replace

from tests.worker.datasets.hostile import raw_tar, raw_zip
from tests.worker.datasets.hostile.entry import CAT, DOG, Entry, entry
from tests.worker.datasets.hostile.raw_zip import Part, with_zip64, zipped

GOOD = raw_zip.good()
WHOLE = zipped(*GOOD)
X = Part(b"cat/x.png", CAT)
BIG = (1 << 32) - 1

LIES = {
    "size too large": replace(X, listed_size=len(CAT) + 1),
    "size too small": replace(X, listed_size=len(CAT) - 1),
    "size zero": replace(X, listed_size=0),
    "size of 4 GiB": replace(X, listed_size=BIG - 1),
    "packed size too large": replace(X, listed_packed_size=len(CAT) * 9),
    "packed size too small": replace(X, listed_packed_size=5),
    "packed size zero": replace(X, listed_packed_size=0),
    "packed size of 4 GiB": replace(X, listed_packed_size=BIG - 1),
    "wrong checksum": replace(X, listed_crc=1),
    "wrong checksum of what is stored": replace(X, method=0, listed_crc=1),
    "another name": replace(X, listed_name=b"cat/y.png"),
    "another method": replace(X, listed_method=0),
    "deflated, but stored": replace(X, method=0, listed_method=8),
    "no deflate at all": replace(X, packed=b"\xff" * 40),
    "deflate that is cut off": replace(X, packed=raw_zip.deflated(CAT)[:-9]),
    "offset beyond the end": replace(X, offset=1 << 30),
    "offset into another": replace(X, offset=40),
    "offset of another": replace(X, offset=0),
}
END_LIES = {
    "list beyond the end": {"offset": 1 << 31},
    "list later": {"offset": len(WHOLE)},
    "list shorter": {"bytes": 40},
    "list longer": {"bytes": len(WHOLE) + 400},
    "list of nothing but its length": {"bytes": BIG},
    "comment longer": {"comment_bytes": 50},
    "list one byte early": {"bytes": 217},
}
METHODS = {
    "shrunk": 1,
    "imploded": 6,
    "Deflate64": 9,
    "bzip2": 12,
    "LZMA": 14,
    "Zstandard": 93,
    "XZ": 95,
    "JPEG": 96,
    "PPMd": 98,
    "AES": 99,
    "none": 65535,
}


def _entries_that_lie() -> Iterator[Entry]:
    for name, part in LIES.items():
        yield entry(f"zip: {name}", zipped(*GOOD, part), "damaged_archive")
    for name, end in END_LIES.items():
        yield entry(f"zip: {name}", zipped(*GOOD, **end), "damaged_archive")
    for name, method in METHODS.items():
        part = replace(X, method=method, packed=CAT)
        yield entry(f"zip: packed by {name}", zipped(*GOOD, part), "unsupported_archive")
    yield entry("zip: of a later version", zipped(*GOOD, replace(X, version=99)), "unsupported_archive")
    yield entry("zip: patched", zipped(*GOOD, replace(X, flags=0x20)), "unsupported_archive")


def _overlapping() -> Iterator[Entry]:
    """Fifield's: many entries share what one packs."""
    kernel = Part(b"cat/0.bmp", bytes(1 << 20))
    same = [
        replace(kernel, name=b"cat/%d.bmp" % number, packed=b"", offset=0, packed_size=1050) for number in range(1, 200)
    ]
    yield entry("zip: 200 entries in one place", zipped(kernel, *same), "damaged_archive")
    inner = replace(X, name=b"cat/y.png")
    quoting = Part(b"cat/x.png", zipped(inner), method=0, size=1 << 10, packed_size=1 << 10)
    yield entry("zip: an entry that quotes the next", zipped(quoting, inner), "damaged_archive")
    yield entry("zip: an entry within the list", zipped(*GOOD, replace(X, offset=len(WHOLE) - 300)), "damaged_archive")


def _around() -> Iterator[Entry]:
    yield entry("zip: something before it", b"#!/bin/sh\n" + WHOLE, "not_an_archive")
    yield entry("zip: a program before it", b"MZ" + bytes(500) + WHOLE, "not_an_archive")
    yield entry(
        "zip: something before it, with offsets to match", zipped(*GOOD, before=b"#!/bin/sh\n"), "not_an_archive"
    )
    yield entry("zip: another zip before it", WHOLE + zipped(*GOOD, X), "damaged_archive")
    yield entry("zip: another zip before it, with offsets to match", zipped(*GOOD, before=WHOLE), "damaged_archive")
    yield entry(
        "zip: an entry before it that is not listed", zipped(replace(X, is_listed=False), *GOOD), "damaged_archive"
    )
    yield entry("zip: something after it", WHOLE + b"<?php system($_GET[0]);", "damaged_archive")
    yield entry("zip: zeros after it", WHOLE + bytes(512), "damaged_archive")
    yield entry("zip: a tar after it", WHOLE + raw_tar.tar(), "damaged_archive")
    ends = WHOLE[-22:]
    yield entry("zip: a comment with another end in it", zipped(*GOOD, comment=b"see" + ends + b"!"), "damaged_archive")
    yield entry("zip: a comment that is another zip", zipped(*GOOD, comment=zipped(X)), "damaged_archive")
    yield entry("zip: an empty one", zipped(), "too_few_classes")


def _of_64_bits() -> Iterator[Entry]:
    lies = {
        "list beyond the end": {"offset": 1 << 62},
        "list of 8 EiB": {"bytes": 1 << 63},
        "list of all that can be said": {"bytes": (1 << 64) - 1},
        "offset of all that can be said": {"offset": (1 << 64) - 1},
    }
    for name, changes in lies.items():
        yield entry(f"zip: zip64, {name}", with_zip64(WHOLE, **changes), "damaged_archive")
    size = b"\x01\x00\x10\x00" + (1 << 62).to_bytes(8, "little") * 2
    huge = replace(X, listed_size=BIG, listed_packed_size=BIG, listed_extra=size)
    yield entry("zip: zip64, entry of 4 EiB", zipped(*GOOD, huge), "damaged_archive")
    short = replace(X, listed_size=BIG, listed_extra=b"\x01\x00\x04\x00abcd")
    yield entry("zip: zip64, field cut off", zipped(*GOOD, short), "damaged_archive")
    broken = replace(X, listed_extra=b"\x01\x00\xff\xff")
    yield entry("zip: extra field longer than it is", zipped(*GOOD, broken), "damaged_archive")


def _odd_but_right() -> Iterator[Entry]:
    yield entry("zip: zip64 without need", with_zip64(WHOLE))
    yield entry("zip: a count that is wrong, which nobody reads", with_zip64(WHOLE, entries=9, here=9))
    yield entry("zip: zip64, an address of its end that nobody reads", with_zip64(WHOLE, at=1 << 62))
    yield entry("zip: of another disk, which nobody asks for", zipped(*GOOD, disk=1, list_disk=1, here=0))
    yield entry("zip: with a comment", zipped(*GOOD, comment=b"holiday" * 100))
    packed = raw_zip.deflated(CAT)
    streamed = replace(X, size=0, packed_size=0, crc=0, listed_size=len(CAT), listed_packed_size=len(packed))
    streamed = replace(streamed, listed_crc=zlib.crc32(CAT))
    yield entry("zip: sizes in the list alone, as of a stream", zipped(*GOOD, streamed))
    yield entry("zip: an entry that is not listed at its end", zipped(*GOOD, Part(b"../x.png", DOG, is_listed=False)))


def entries() -> Iterator[Entry]:
    """All of them."""
    yield from _entries_that_lie()
    yield from _overlapping()
    yield from _around()
    yield from _of_64_bits()
    yield from _odd_but_right()
