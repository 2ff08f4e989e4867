"""Entries that are no plain files: links and what is written through them, devices, pipes, locked and packed files."""

from collections.abc import Iterator
from pathlib import Path

from tests.worker.datasets.hostile import raw_tar, raw_zip
from tests.worker.datasets.hostile.entry import CAT, Entry, entry

LINKS = {"symbolic": b"2", "hard": b"1"}
TARGETS = {
    "up": b"../../outside/secret.txt",
    "to itself": b"cat/x.png",
    "to nothing": b"",
    "to a good file": b"cat/0.png",
}
OTHERS = {
    "character device": (b"3", "unsafe_member"),
    "block device": (b"4", "unsafe_member"),
    "named pipe": (b"6", "unsafe_member"),
    "continuation of another volume": (b"M", "unsafe_member"),
    "list of a folder": (b"D", "unsafe_member"),
    "name of a volume": (b"V", "unsafe_member"),
    "unknown": (b"Z", "unsafe_member"),
}


def _in_tars() -> Iterator[Entry]:
    for form, pack in raw_tar.PACKERS.items():
        for kind, number in LINKS.items():
            link = raw_tar.member(b"cat/x.png", kind=number, link=b"/etc/passwd")
            yield entry(f"{form}: {kind} link", pack(raw_tar.tar(link)), "unsafe_member")
    for kind, number in LINKS.items():
        for name, target in TARGETS.items():
            link = raw_tar.member(b"cat/x.png", kind=number, link=target)
            yield entry(f"tar: {kind} link {name}", raw_tar.tar(link), "unsafe_member")
        hidden = raw_tar.member(b".git/x", kind=number, link=b"/etc/passwd")
        yield entry(f"tar: {kind} link that is hidden", raw_tar.tar(hidden), "unsafe_member")
        no_image = raw_tar.member(b"notes.txt", kind=number, link=b"/etc/passwd")
        yield entry(f"tar: {kind} link that is no picture", raw_tar.tar(no_image), "unsafe_member")
    for name, (number, code) in OTHERS.items():
        other = raw_tar.member(b"cat/x.png", kind=number, device=b"0000001\x000000003\0")
        yield entry(f"tar: {name}", raw_tar.tar(other), code)
    by_pax = raw_tar.pax({"linkpath": "/etc/passwd"}) + raw_tar.member(b"cat/x.png", kind=b"2", link=b"0.png")
    yield entry("tar: symbolic link, by PAX", raw_tar.tar(by_pax), "unsafe_member")
    by_name = raw_tar.long_name(b"/etc/passwd", kind=b"K") + raw_tar.member(b"cat/x.png", kind=b"2", link=b"0.png")
    yield entry("tar: symbolic link, by a long name", raw_tar.tar(by_name), "unsafe_member")


def _through_a_link(place: Path, *, kind: bytes, folder: bool) -> bytes:
    """A link to what lies outside, and then a file of the same name or below it."""
    target = f"{place}/outside" if folder else f"{place}/outside/secret.txt"
    link = raw_tar.header(b"lion" if folder else b"cat/x.png", kind=kind, link=target.encode())
    return raw_tar.tar(link, raw_tar.member(b"lion/x.png" if folder else b"cat/x.png", CAT))


def _written_through() -> Iterator[Entry]:
    for kind, number in LINKS.items():
        for folder in (True, False):
            what = "folder" if folder else "file"
            make = lambda place, number=number, folder=folder: _through_a_link(place, kind=number, folder=folder)  # noqa: E731
            yield entry(f"tar: written through a {kind} link to a {what}", make, "unsafe_member")
    yield entry("zip: written through a link", _zip_through_a_link, "unsafe_member")


def _zip_through_a_link(place: Path) -> bytes:
    link = raw_zip.Part(b"lion", f"{place}/outside".encode(), mode=0o120777)
    return raw_zip.zipped(*raw_zip.good(), link, raw_zip.Part(b"lion/x.png", CAT))


def _in_zips() -> Iterator[Entry]:
    modes = {
        "symbolic link": 0o120777,
        "character device": 0o020644,
        "block device": 0o060644,
        "named pipe": 0o010644,
        "socket": 0o140644,
    }
    for name, mode in modes.items():
        part = raw_zip.Part(b"cat/x.png", b"/etc/passwd", mode=mode)
        yield entry(f"zip: {name}", raw_zip.zipped(*raw_zip.good(), part), "unsafe_member")
    locks = {
        "encrypted": 1,
        "strongly encrypted": 0x41,
        "strongly encrypted, without the other flag": 0x40,
        "list encrypted": 0x2000,
    }
    for name, flags in locks.items():
        part = raw_zip.Part(b"cat/x.png", bytes(12) + CAT, method=0, flags=flags)
        yield entry(f"zip: {name}", raw_zip.zipped(*raw_zip.good(), part), "unsafe_member")
    part = raw_zip.Part(b"cat/x.png", CAT, listed_flags=1)
    yield entry("zip: encrypted by the list alone", raw_zip.zipped(*raw_zip.good(), part), "unsafe_member")


def _nested() -> Iterator[Entry]:
    for suffix in (
        "zip",
        "tar",
        "tar.gz",
        "tgz",
        "tar.bz2",
        "tbz2",
        "tar.xz",
        "txz",
        "tar.zst",
        "tzst",
        "7z",
        "rar",
        "ZIP",
        "lzma",
    ):
        name = f"cat/more.{suffix}".encode()
        yield entry(
            f"zip: {suffix} inside", raw_zip.zipped(*raw_zip.good(), raw_zip.Part(name, b"PK\3\4")), "nested_archive"
        )
        yield entry(f"tar: {suffix} inside", raw_tar.tar(raw_tar.member(name, b"PK\3\4")), "nested_archive")
    inner = raw_zip.zipped(*raw_zip.good())
    yield entry(
        "zip: zip inside, called a picture",
        raw_zip.zipped(*raw_zip.good(), raw_zip.Part(b"cat/x.png", inner)),
        "unreadable_image",
    )
    two = [raw_zip.Part(b"a.npz", inner), raw_zip.Part(b"b.npz", inner)]
    yield entry("zip: zips inside, called arrays", raw_zip.zipped(*two), "ambiguous_arrays")
    yield entry("zip: zip inside, called an array", raw_zip.zipped(two[0]), "no_training_split")


def entries() -> Iterator[Entry]:
    """All of them."""
    yield from _in_tars()
    yield from _written_through()
    yield from _in_zips()
    yield from _nested()
