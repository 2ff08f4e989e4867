"""Tars that contradict themselves: sizes, headers of headers, holes, checksums, what follows their end."""

import gzip
import lzma
import zlib
from collections.abc import Iterator

from backports import zstd

from tests.worker.datasets.hostile import raw_tar, raw_zip
from tests.worker.datasets.hostile.entry import CAT, Entry, entry
from tests.worker.datasets.hostile.raw_tar import END, header, long_name, member, pax, tar

X = member(b"cat/x.png", CAT)
TEXT = member(b"notes.txt", b"no picture")


def base_256(number: int) -> bytes:
    """A size as GNU tar writes large ones."""
    sign = b"\xff" if number < 0 else b"\x80"
    return sign + (number % (1 << 88)).to_bytes(11, "big")


SIZES = {
    "of 8 GiB": b"77777777777\0",
    "of 8 EiB": base_256(1 << 63),
    "of 2^87": base_256(1 << 87),
    "of -1": base_256(-1),
    "of -512": base_256(-512),
    "of -8 EiB": base_256(-(1 << 63)),
    "in letters": b"0000000000z\0",
    "in spaces": b" " * 12,
    "of one block too many": b"%011o\0" % (len(CAT) + 5000),
}


def _sizes() -> Iterator[Entry]:
    for name, size in SIZES.items():
        codes = ("damaged_archive", "unreadable_image") if name == "in spaces" else ("damaged_archive",)
        yield entry(f"tar: picture {name}", tar(header(b"cat/x.png", size), CAT), *codes)
        if name != "in spaces":  # which is 0, and harmless in a text
            yield entry(f"tar: text {name}", tar(header(b"notes.txt", size)), "damaged_archive")
            yield entry(f"tar: folder {name}", tar(header(b"lion", size, kind=b"5")), *_of_a_folder(name))
    for name, size in {"huge": "9" * 30, "negative": "-512", "no number": "many"}.items():
        yield entry(f"tar: size by PAX, {name}", tar(pax({"size": size}), X), "damaged_archive")


def _of_a_folder(name: str) -> tuple[str, ...]:
    """Nobody reads the size of a folder, unless it is none at all; then it is a class without pictures."""
    return ("damaged_archive",) if name.startswith(("of -", "in letters")) else ("empty_class",)


def _headers() -> Iterator[Entry]:
    yield entry("tar: wrong checksum", tar(header(b"cat/x.png", len(CAT), checksum=1), CAT), "damaged_archive")
    yield entry("tar: noise between entries", tar(b"\xa5" * 512, X), "damaged_archive")
    yield entry("tar: PAX without what follows", tar(pax({"path": "cat/x.png"})), "damaged_archive")
    yield entry("tar: long name without what follows", tar(long_name(b"cat/x.png")), "damaged_archive")
    yield entry("tar: PAX of 1 MiB", tar(pax({"comment": "x" * (1 << 20)}), X), "damaged_archive")
    yield entry("tar: long name of 1 MiB", tar(long_name(b"x" * (1 << 20)), X), "damaged_archive")
    yield entry(
        "tar: long name of 8 GiB", tar(header(b"././@LongLink", b"77777777777\0", kind=b"L"), X), "damaged_archive"
    )
    yield entry("tar: PAX of 8 EiB", tar(header(b"pax", base_256(1 << 63), kind=b"x"), X), "damaged_archive")
    yield entry("tar: 3,000 PAX headers for one entry", tar(pax({"a": "b"}) * 3000, X), "damaged_archive")
    yield entry("tar: 3,000 PAX headers for all", tar(pax({"a": "b"}, kind=b"g") * 3000, X), "damaged_archive")
    yield entry("tar: 3,000 long names for one entry", tar(long_name(b"x") * 3000, X), "damaged_archive")
    yield entry("tar: PAX record of length zero", tar(member(b"pax", b"0 path=x\n", kind=b"x"), X), "damaged_archive")
    yield entry(
        "tar: PAX record of a long number",
        tar(member(b"pax", b"9" * 5000 + b" a=b\n", kind=b"x"), X),
        "damaged_archive",
    )
    yield entry("tar: PAX of digits, to search for long", tar(member(b"pax", b"1" * 12_000, kind=b"x"), X))
    yield entry("tar: PAX of a set of characters that is none", tar(pax({"hdrcharset": b"\xff"}), X), "unsafe_path")


def _holes() -> Iterator[Entry]:
    hole = b"00000000000\0" + b"77777777777\0"
    old = bytearray(header(b"cat/x.png", 0, kind=b"S", magic=b"ustar  \0"))
    old[386 : 386 + 24], old[483:495] = hole, b"77777777777\0"
    old[148:156] = b"%06o\0 " % (sum(old[:148]) + sum(old[156:]) + 8 * 32)
    yield entry("tar: sparse, of 8 GiB", tar(bytes(old)), "unsafe_member")
    chained = bytearray(old)
    chained[482] = 1
    chained[148:156] = b"%06o\0 " % (sum(chained[:148]) + sum(chained[156:]) + 8 * 32)
    more = (hole * 21).ljust(504, b"\0") + b"\1" + bytes(7)
    yield entry("tar: sparse, with headers without an end", tar(bytes(chained), more * 2000), "damaged_archive")
    for version, records in {
        "0.0": {
            "GNU.sparse.size": "8589934591",
            "GNU.sparse.numblocks": "1",
            "GNU.sparse.offset": "0",
            "GNU.sparse.numbytes": "1",
        },
        "0.1": {"GNU.sparse.size": "8589934591", "GNU.sparse.map": "0,1", "GNU.sparse.name": "cat/x.png"},
    }.items():
        yield entry(f"tar: sparse {version}, of 8 GiB", tar(pax(records), member(b"cat/x.png", b"x")), "unsafe_member")
    records = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "cat/x.png",
        "GNU.sparse.realsize": "8589934591",
    }
    yield entry(
        "tar: sparse 1.0, of 8 GiB",
        tar(pax(records), member(b"x", b"1\n0\n1\n".ljust(512, b"\0") + b"x")),
        "unsafe_member",
    )
    many = b"99999999\n" + b"0\n" * 500_000
    yield entry("tar: sparse 1.0, with a map without an end", tar(pax(records), member(b"x", many)), "damaged_archive")
    yield entry(
        "tar: sparse 1.0, with a map of words", tar(pax(records), member(b"x", b"many\n" * 200)), "damaged_archive"
    )


def _after_the_end() -> Iterator[Entry]:
    yield entry("tar: another tar after it", tar() + tar(X), "damaged_archive")
    yield entry("tar: a zip after it", tar() + raw_zip.zipped(*raw_zip.good()), "damaged_archive")
    yield entry("tar: noise after it", tar() + bytes(9000) + b"x", "damaged_archive")
    yield entry("tar: noise long after it", tar() + bytes(1 << 20) + b"x", "damaged_archive")
    yield entry("tar.gz: noise after it", raw_tar.PACKERS["tar.gz"](tar()) + b"noise", "damaged_archive")
    yield entry("tar.gz: another after it", raw_tar.PACKERS["tar.gz"](tar()) * 2, "damaged_archive")
    yield entry("tar.xz: noise after it", raw_tar.PACKERS["tar.xz"](tar()) + b"noise", "damaged_archive")
    yield entry("tar.zst: noise after it", raw_tar.PACKERS["tar.zst"](tar()) + b"noise", "damaged_archive")
    yield entry("tar: without an end", tar(X, end=b""), "damaged_archive")
    yield entry("tar: zeros alone", bytes(10240), "too_few_classes")


def _checksums() -> Iterator[Entry]:
    packed = gzip.compress(tar(), 1, mtime=0)
    for name, place in {"checksum": -8, "length": -4}.items():
        spoilt = bytearray(packed)
        spoilt[place] ^= 1
        yield entry(f"tar.gz: wrong {name}", bytes(spoilt), "damaged_archive")
    spoilt = bytearray(raw_tar.PACKERS["tar.bz2"](tar()))
    spoilt[10] ^= 1
    yield entry("tar.bz2: wrong checksum", bytes(spoilt), "damaged_archive")
    spoilt = bytearray(lzma.compress(tar(), check=lzma.CHECK_CRC64, preset=0))
    spoilt[-40] ^= 1
    yield entry("tar.xz: wrong checksum", bytes(spoilt), "damaged_archive")
    spoilt = bytearray(zstd.compress(tar(), options={zstd.CompressionParameter.checksum_flag: 1}))
    spoilt[-1] ^= 1
    yield entry("tar.zst: wrong checksum", bytes(spoilt), "damaged_archive")


def _windows() -> Iterator[Entry]:
    yield entry("tar.xz: dictionary of 4 GiB", with_dictionary(tar(), 40), "unsupported_archive")
    yield entry("tar.xz: dictionary of 192 MiB", with_dictionary(tar(), 31), "unsupported_archive")
    yield entry("tar.xz: dictionary that is none", with_dictionary(tar(), 63), "damaged_archive")
    frame = b"\x28\xb5\x2f\xfd" + b"\x00"  # no size, so that a window follows
    for log in (28, 31, 41):
        block = (1 | len(tar()) << 3).to_bytes(3, "little") + tar()
        yield entry(f"tar.zst: window of 2^{log}", frame + bytes([(log - 10) << 3]) + block, "unsupported_archive")
    yield entry(
        "tar.zst: with a dictionary that is not there", b"\x28\xb5\x2f\xfd\x01\x58\x07" + block, "damaged_archive"
    )


def with_dictionary(data: bytes, number: int) -> bytes:
    """An xz whose block claims another size of its dictionary."""
    packed = bytearray(lzma.compress(data, preset=0))
    place = packed.index(b"\x21\x01", 12) + 2
    packed[place] = number
    length = (packed[12] + 1) * 4
    packed[12 + length - 4 : 12 + length] = zlib.crc32(packed[12 : 12 + length - 4]).to_bytes(4, "little")
    return bytes(packed)


def _odd_but_right() -> Iterator[Entry]:
    yield entry("tar: with one block for an end", tar(end=END[:512]))
    yield entry("tar: in records of 1 MiB", tar().ljust(1 << 20, b"\0"))
    yield entry("tar: of the seventh Unix", tar(member(b"cat/x.png", CAT, kind=b"\0", magic=bytes(8))))
    yield entry("tar: with a PAX header of 10 KB", tar(pax({"comment": "x" * 10_000}), X))
    yield entry("tar.gz: in two parts", gzip.compress(tar()[:700]) + gzip.compress(tar()[700:]))
    yield entry("tar.xz: in two parts", lzma.compress(tar()[:700]) + lzma.compress(tar()[700:]))
    yield entry(
        "tar.zst: in two parts, the first to be skipped",
        b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd.compress(tar()[:700]) + zstd.compress(tar()[700:]),
    )
    yield entry("tar: that is a zip as well", _zip_in_a_tar())


def _zip_in_a_tar() -> bytes:
    """A tar with a zip in a text, whose comment is the rest of the tar: read as the tar that it begins as."""
    inner = raw_zip.zipped(raw_zip.Part(b"../x.png", CAT))
    length = len(raw_tar.padded(inner)) - len(inner) + len(END)
    zipped = raw_zip.zipped(raw_zip.Part(b"../x.png", CAT), comment=bytes(length))
    return raw_tar.good() + member(b"notes.txt", inner[:-2] + zipped[len(inner) - 2 : len(inner)]) + END


def entries() -> Iterator[Entry]:
    """All of them."""
    for group in (_sizes, _headers, _holes, _after_the_end, _checksums, _windows, _odd_but_right):
        yield from group()
