"""Reads zip archives that anybody may have sent: what the list of entries says is compared with the file."""

import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.datasets.members import Member

# The standard library unpacks the others without a limit: a megabyte of bzip2 may become a terabyte at once.
_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NAMES = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ"}
_LOCKED = 0x1 | 0x40 | 0x2000  #: encrypted, strongly encrypted, list of entries encrypted
_HEADER_BYTES = 30
_END = struct.Struct("<4s16xH")
_END_SIGNATURE = b"PK\x05\x06"


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip whose entries lie where its list says; raises BadZipFile, or NotImplementedError for what is not read."""
    if not zipfile.is_zipfile(path):
        raise zipfile.BadZipFile("the list of entries at its end is missing")
    with zipfile.ZipFile(path) as opened:
        _refuse_unread(opened)
        _refuse_lies(opened)
        _refuse_more(path, comment=opened.comment)
        yield opened


def zip_members(opened: zipfile.ZipFile) -> Iterator[Member]:
    """The entries in the order of the list."""
    for info in opened.infolist():
        yield _member(opened, info)


def _member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    # zipfile cuts the name at a NUL; the name as it was sent is what is judged.
    return Member(info.orig_filename, _kind(info), info.file_size, lambda: opened.open(info))


def _kind(info: zipfile.ZipInfo) -> str:
    form = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & _LOCKED:
        return "an encrypted file"
    if info.is_dir():
        return "folder"
    if form in (0, stat.S_IFREG):
        return "file"
    return "a link" if form == stat.S_IFLNK else "a device or pipe"


def _refuse_unread(opened: zipfile.ZipFile) -> None:
    for info in opened.infolist():
        if info.compress_type not in _READ:
            method = _NAMES.get(info.compress_type, f"method {info.compress_type}")
            raise NotImplementedError(f"it is compressed with {method}; of zips Store and Deflate are read")


def _refuse_lies(opened: zipfile.ZipFile) -> None:
    """No entry may share bytes with another, nor may any byte stand before the first."""
    entries = sorted(opened.infolist(), key=lambda info: info.header_offset)
    if entries and entries[0].header_offset != 0:
        raise zipfile.BadZipFile("there is something before its first entry")
    # Headers are longer where they have extra fields; those are looked at when an entry is read.
    ends = [info.header_offset + _HEADER_BYTES + len(info.orig_filename) + info.compress_size for info in entries]
    starts = [*(info.header_offset for info in entries[1:]), opened.start_dir]
    if any(end > start for end, start in zip(ends, starts, strict=False)):
        raise zipfile.BadZipFile("its entries overlap")


def _refuse_more(path: Path, *, comment: bytes) -> None:
    """The record that ends a zip must be where the file ends."""
    with path.open("rb") as file:
        file.seek(-_END.size - len(comment), 2)
        signature, length = _END.unpack(file.read(_END.size))
    if signature != _END_SIGNATURE or length != len(comment):
        raise zipfile.BadZipFile("there is something after its end")
