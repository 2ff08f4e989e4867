"""Little that unpacks to much, in every format, and archives that are cut off at every place of interest."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from itertools import product

from backports import zstd

from tests.worker.datasets.hostile import raw_tar, raw_zip
from tests.worker.datasets.hostile.entry import CAT, Entry, entry

MIB = 1 << 20
FREE_MIB = 64  #: what every archive may unpack to


def tar_of_zeros(form: str, name: bytes, mebibytes: int) -> bytes:
    """Packed as it is made, so that nobody holds it."""
    packers = {
        "tar.gz": zlib.compressobj(1, wbits=31),
        "tar.bz2": bz2.BZ2Compressor(1),
        "tar.xz": lzma.LZMACompressor(preset=0),
        "tar.zst": zstd.ZstdCompressor(level=1),
    }
    packer = packers[form]
    parts = [raw_tar.good() + raw_tar.header(name, mebibytes * MIB), *[bytes(MIB)] * mebibytes, raw_tar.END]
    return b"".join(map(packer.compress, parts)) + packer.flush()


def _bombs() -> Iterator[Entry]:
    kinds = {"a picture": b"cat/x.bmp", "a text": b"notes.txt", "an array": b"x.npz"}
    slow = [("tar.bz2", "a picture"), ("tar.xz", "a text")]
    for form, kind in [*slow, *product(("tar.gz", "tar.zst"), kinds)]:
        make = lambda _, form=form, kind=kind: tar_of_zeros(form, kinds[kind], FREE_MIB + 6)  # noqa: E731
        yield entry(f"{form}: 70 MiB of zeros in {kind}", make, "archive_too_large")
    much = (FREE_MIB + 6) * MIB
    behind = lambda _: gzip.compress(raw_tar.tar() + bytes(much), 1)  # noqa: E731
    yield entry("tar.gz: 70 MiB of zeros after the end", behind, "archive_too_large")
    yield entry("zip: 70 MiB of zeros in a picture", lambda _: zip_of_zeros(b"cat/x.bmp", much), "archive_too_large")
    text = lambda _: zip_of_zeros(b"notes.txt", much)  # noqa: E731
    yield entry("zip: 70 MiB of zeros in a text, which is not unpacked", text)
    packed = raw_zip.deflated(bytes(MIB))
    many = [raw_zip.Part(b"cat/x%d.bmp" % number, bytes(MIB), packed=packed) for number in range(FREE_MIB + 2)]
    yield entry("zip: 66 pictures of 1 MiB of zeros", raw_zip.zipped(*many), "archive_too_large")
    # The standard library's readers of these know no bound.
    lzma_head = b"\x09\x04\x05\x00"
    for number, packed in {12: bz2.compress(bytes(8 * MIB)), 14: lzma_head + lzma.compress(bytes(8 * MIB))}.items():
        archive = raw_zip.zipped(*raw_zip.good(), raw_zip.Part(b"cat/x.bmp", bytes(MIB), method=number, packed=packed))
        yield entry(f"zip: zeros packed by method {number}", archive, "unsupported_archive")


def zip_of_zeros(name: bytes, size: int) -> bytes:
    """Beside good ones."""
    return raw_zip.zipped(*raw_zip.good(), raw_zip.Part(name, bytes(size)))


def _quine() -> Iterator[Entry]:
    inner = raw_zip.zipped(*raw_zip.good())
    for _ in range(5):
        inner = raw_zip.zipped(*[raw_zip.Part(b"%d.zip" % number, inner) for number in range(5)])
    yield entry("zip: zips in zips in zips", inner, "nested_archive")


def _places(packed: bytes, *also: int) -> list[int]:
    length = len(packed)
    eighths = [length * number // 8 for number in range(1, 8)]
    return sorted(
        {
            place
            for place in (1, 2, 3, 5, 9, 17, *eighths, length - 9, length - 3, length - 1, *also)
            if 0 < place < length
        }
    )


def _cut_off() -> Iterator[Entry]:
    whole = raw_tar.tar(raw_tar.pax({"path": "cat/x.png"}), raw_tar.member(b"y", CAT))
    yield entry("nothing at all", b"", "not_an_archive")
    block = raw_tar.BLOCK
    for place in sorted(
        {1, 100, 511, *range(block, len(whole) - 2 * block + 1, block), 513, 700, len(whole) - 2 * block - 1}
    ):
        code = "not_an_archive" if place < block else "damaged_archive"
        yield entry(f"tar: cut off after {place} bytes", whole[:place], code)
    for form, pack in raw_tar.PACKERS.items():
        if form == "tar":
            continue
        packed = pack(whole)
        for place in _places(packed):
            code = "not_an_archive" if place < _told_by(form) else "damaged_archive"
            yield entry(f"{form}: cut off after {place} bytes", packed[:place], code)
    zipped = raw_zip.zipped(*raw_zip.good(), comment=b"the end")
    for place in _places(zipped, 30, 31, 39, *range(len(zipped) - 29, len(zipped))):
        code = "not_an_archive" if place < 4 else "damaged_archive"
        yield entry(f"zip: cut off after {place} bytes", zipped[:place], code)


def _told_by(form: str) -> int:
    """How many bytes it takes to know the format."""
    return {"tar.gz": 2, "tar.bz2": 10, "tar.xz": 6, "tar.zst": 4}[form]


def _others() -> Iterator[Entry]:
    pictures = {
        "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF",
        "GIF": b"GIF89a",
        "PNG": CAT,
        "PDF": b"%PDF-1.7\n",
        "program": b"MZ\x90",
    }
    zipped = raw_zip.zipped(*raw_zip.good())
    for name, start in pictures.items():
        yield entry(f"{name} with a zip behind it", start + bytes(700) + zipped, "not_an_archive")
    texts = {
        "text": b"hello",
        "long text": b"hello\n" * 400,
        "HTML": b"<!doctype html>" + b" " * 900,
        "noise": bytes(range(256)) * 9,
        "7z": b"7z\xbc\xaf\x27\x1c" + bytes(600),
        "rar": b"Rar!\x1a\x07\x01\x00" + bytes(600),
        "SQLite": b"SQLite format 3\0" + bytes(600),
        "picture": CAT,
        "lzma": lzma.compress(raw_tar.tar(), lzma.FORMAT_ALONE),
        "compress": b"\x1f\x9d\x90" + bytes(600),
        "cab": b"MSCF" + bytes(600),
        "cpio": b"070701" + b"0" * 600,
        "ar": b"!<arch>\n" + b" " * 600,
        "numbers": b"0" * 2000,
    }
    for name, data in texts.items():
        yield entry(f"{name} instead of an archive", data, "not_an_archive")
    for form, pack in raw_tar.PACKERS.items():
        if form != "tar":
            yield entry(f"{form}: a text in it", pack(b"hello " * 200), "not_an_archive")
            yield entry(f"{form}: a zip in it", pack(zipped), "not_an_archive")
            yield entry(f"{form}: packed twice", pack(pack(raw_tar.tar())), "not_an_archive")
            yield entry(f"{form}: nothing in it", pack(b""), "not_an_archive")


def entries() -> Iterator[Entry]:
    """All of them."""
    yield from _bombs()
    yield from _quine()
    yield from _cut_off()
    yield from _others()
