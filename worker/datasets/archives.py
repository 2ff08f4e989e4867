"""Takes the images out of an archive that anybody may have sent, member by member, trusting no word of it."""

import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from worker.datasets.array_files import is_array_file
from worker.datasets.decoding import SUFFIXES
from worker.datasets.errors import Refused

EXPECTED = "a zip, tar, tar.gz, tar.bz2 or tar.xz archive, or an .npz."
_ARCHIVE_SUFFIXES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".zst", ".7z", ".rar"))
_CHUNK_BYTES = 1 << 20
_REPACK = "Pack the folder again with a usual archiver."


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may unfold to."""

    members: int = 1_000_000
    member_bytes: int = 256 << 20  #: of one picture; an array holds many
    total_bytes: int = 64 << 30
    ratio: int = 100  #: unpacked bytes for each byte of the archive; pictures are compressed already
    ratio_free_bytes: int = 64 << 20  #: below this much the ratio is not looked at: small pictures of one colour


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive, whichever format it has. `kind` is what it claims to be."""

    name: str
    kind: str
    content: "Content"


class Content(Protocol):
    """Opens what a member holds."""

    def __call__(self) -> IO[bytes]:
        """A stream that is read once."""


def extract_images(archive: Path, into: Path, *, limits: ArchiveLimits) -> None:
    """Write the pictures and arrays in `archive` below the empty folder `into`; raises Refused where one is wrong.

    Nothing is ever written outside `into`, nothing but plain files and folders is made, and what holds no image
    is not even unpacked.
    """
    unpacking = _Unpacking(into, limits, archive.stat().st_size)
    with _members(archive) as members:
        for member in members:
            unpacking.take(member)


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    """The members in order. Whatever a broken archive makes its reader raise becomes Refused."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                yield (_from_zip(opened, info) for info in opened.infolist())
        else:
            with tarfile.open(archive) as opened_tar:
                yield (_from_tar(opened_tar, info) for info in opened_tar)
    except (MemoryError, Refused):
        raise
    except tarfile.ReadError as error:
        detail = "It is not an archive, or only a part of one."
        raise Refused("not_an_archive", None, detail=detail, hint=f"Send {EXPECTED}") from error
    except Exception as error:  # zlib, lzma and struct errors, bad checksums, unknown compression
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the archive's
        detail = f"It is damaged: {str(error)[:200] or type(error).__name__}."
        raise Refused("damaged_archive", None, detail=detail, hint="Pack and send it again.") from error


def _from_zip(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    form = stat.S_IFMT(info.external_attr >> 16)
    kind = "folder" if info.is_dir() else "file" if form in (0, stat.S_IFREG) else "link or device"
    if info.flag_bits & 0x1:
        kind = "encrypted file"
    # zipfile cuts the name at a NUL; the name as it was sent is what is judged.
    return Member(info.orig_filename, kind, lambda: opened.open(info))


def _from_tar(opened: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kind = "folder" if info.isdir() else "file" if info.isreg() else "link or device"
    return Member(info.name, kind, lambda: _tar_content(opened, info))


def _tar_content(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = opened.extractfile(info)
    assert content is not None  # noqa: S101 - a regular file has content
    return content


@dataclass(slots=True)
class _Unpacking:
    """Counts while it writes: what an archive says of its sizes is not believed."""

    into: Path
    limits: ArchiveLimits
    archive_bytes: int
    members: int = 0
    written_bytes: int = 0
    seen: set[str] = field(default_factory=set)

    def take(self, member: Member) -> None:
        self.members += 1
        if self.members > self.limits.members:
            raise _too_much(None, f"It has more than {self.limits.members:,} entries.")
        path = _safe_path(member)
        if member.kind == "folder":
            self._make_folder(self.into / path)
        elif _is_wanted(path) and not any(part.startswith(".") for part in path.parts):
            self._refuse_duplicate(path)
            self._make_folder((self.into / path).parent)
            self._write(member, path)

    def _refuse_duplicate(self, path: PurePosixPath) -> None:
        key = unicodedata.normalize("NFC", str(path)).casefold()
        if key in self.seen or (self.into / path).exists():
            detail = "It is there twice, or differs from another name only in case."
            raise Refused("duplicate_member", str(path), detail=detail, hint="Rename one of the two.")
        self.seen.add(key)

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            name = folder.relative_to(self.into).as_posix()
            raise Refused("duplicate_member", name, detail="It is both a file and a folder.", hint=_REPACK) from error

    def _write(self, member: Member, path: PurePosixPath) -> None:
        size = 0
        with member.content() as content, (self.into / path).open("xb") as file:
            while chunk := content.read(_CHUNK_BYTES):
                size += len(chunk)
                self.written_bytes += len(chunk)
                self._refuse_excess(path, size)
                file.write(chunk)

    def _refuse_excess(self, path: PurePosixPath, size: int) -> None:
        if size > self.limits.member_bytes and not is_array_file(path.name):
            raise _too_much(str(path), f"It is larger than {self.limits.member_bytes:,} bytes.")
        if self.written_bytes > self.limits.total_bytes:
            raise _too_much(None, f"It unpacks to more than {self.limits.total_bytes:,} bytes.")
        free = max(self.limits.ratio_free_bytes, self.limits.ratio * self.archive_bytes)
        if self.written_bytes > free:
            raise _too_much(str(path), f"It unpacks to more than {self.limits.ratio} times its size.")


def _safe_path(member: Member) -> PurePosixPath:
    """The member's path below the folder; raises Refused unless it is plainly a file or folder in there."""
    name = member.name
    if member.kind not in ("file", "folder"):
        shown = ascii(name)[1:-1]
        raise Refused("unsafe_member", shown, detail=f"It is a {member.kind}.", hint="Pack plain files only.")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or name[1:2] == ":":
        raise Refused("unsafe_path", ascii(name)[1:-1], detail="Its path leads out of the archive.", hint=_REPACK)
    if not name.isprintable() or any(len(part.encode()) > 255 for part in path.parts) or len(name) > 1000:
        detail = "Its name is too long, or holds characters that cannot be shown."
        raise Refused("unsafe_path", ascii(name)[1:-1][:200], detail=detail, hint="Rename the file.")
    if member.kind == "file" and path.suffix.lower() in _ARCHIVE_SUFFIXES and not is_array_file(path.name):
        raise Refused("nested_archive", name, detail="It is an archive itself.", hint="Unpack it before you pack.")
    return path


def _is_wanted(path: PurePosixPath) -> bool:
    return path.suffix.lower() in SUFFIXES or is_array_file(path.name)


def _too_much(path: str | None, detail: str) -> Refused:
    return Refused("archive_too_large", path, detail=detail, hint="Send fewer or smaller images.")
