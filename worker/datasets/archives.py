"""Takes the images out of an archive that anybody may have sent, member by member, trusting no word of it."""

import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import ENOSPC
from pathlib import Path, PurePosixPath

from app.disk import free_bytes
from worker.datasets.array_files import NPZ_NAME, is_array_file, is_npz
from worker.datasets.decoding import SUFFIXES
from worker.datasets.errors import Refused, reason_of
from worker.datasets.member_paths import TakenPaths, safe_path
from worker.datasets.members import Member, form_of, too_large
from worker.datasets.tar_members import BrokenHeader, tar_members
from worker.datasets.unpacking import unpacked
from worker.datasets.zip_members import opened_zip, zip_members

EXPECTED = "a zip, tar, tar.gz, tar.bz2, tar.xz or tar.zst archive, or an .npz."
_CHUNK_BYTES = 1 << 20
_STUMBLES = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, struct.error)
_AS_USUAL = "Pack it again with the usual settings of zip, tar, gzip, xz or zstd."


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may unfold to."""

    members: int = 1_000_000
    member_bytes: int = 256 << 20  #: of one picture; an array holds many
    total_bytes: int = 64 << 30
    ratio: int = 100  #: unpacked bytes for each byte of the archive; pictures are compressed already
    ratio_free_bytes: int = 64 << 20  #: below this much the ratio is not looked at: small pictures of one colour
    room_bytes: int | None = None  #: what the owner's other sets leave of the quota
    floor_bytes: int = 0  #: what must stay free on the disk

    def most_bytes(self, archive: Path) -> int:
        """What it may come to in all."""
        return min(self.total_bytes, max(self.ratio_free_bytes, self.ratio * archive.stat().st_size))


def take_in(upload: Path, into: Path, *, limits: ArchiveLimits) -> None:
    """Put what was uploaded into an empty folder. An npz is a zip, too, but stays whole: it is read where it is."""
    if is_npz(upload):
        size = upload.stat().st_size
        refuse_without_room(size, into, limits=limits, coming=size)
        shutil.copyfile(upload, into / NPZ_NAME)
    else:
        extract_images(upload, into, limits=limits)


def extract_images(archive: Path, into: Path, *, limits: ArchiveLimits) -> None:
    """Write the pictures and arrays in `archive` below the empty folder `into`; raises Refused where one is wrong.

    Nothing is ever written outside `into`, nothing but plain files and folders is made, and what holds no image
    is not even unpacked.
    """
    unpacking = _Unpacking(into, limits, limits.most_bytes(archive))
    with _refusing_damage(unpacking), _members(archive, most_bytes=unpacking.most_bytes) as members:
        for member in members:
            unpacking.take(member)


def refuse_without_room(size: int, folder: Path, *, limits: ArchiveLimits, coming: int = 0) -> None:
    """Raise where `size` bytes in all are past the quota, or with those that are `coming` the disk is too full."""
    if limits.room_bytes is not None and size > limits.room_bytes:
        detail = f"It unpacks to more than the {limits.room_bytes:,} bytes that other data sets leave of the quota."
        raise Refused("quota_exceeded", None, detail=detail, hint="Delete what is not needed, and add it again.")
    if free_bytes(folder) - coming < limits.floor_bytes:
        raise OSError(ENOSPC, os.strerror(ENOSPC))


@contextmanager
def _members(archive: Path, *, most_bytes: int) -> Iterator[Iterator[Member]]:
    """The members in order."""
    form = form_of(archive)
    if form == "zip":
        with opened_zip(archive) as opened:
            yield zip_members(opened)
    else:
        with unpacked(archive, form) as source:
            yield tar_members(source, most_bytes=most_bytes)


@contextmanager
def _refusing_damage(unpacking: "_Unpacking") -> Iterator[None]:
    """Whatever a broken archive makes its reader raise becomes Refused."""
    try:
        yield
    except Refused:
        raise
    except MemoryError as error:
        detail = "Unpacking it takes more memory than the check may use."
        raise Refused("check_out_of_memory", None, detail=detail, hint=_AS_USUAL) from error
    except NotImplementedError as error:  # zipfile says so, too, of what it does not know
        detail = f"It cannot be unpacked: {reason_of(error)}."
        raise Refused("unsupported_archive", None, detail=detail, hint=_AS_USUAL) from error
    except BrokenHeader as error:
        raise (_damaged(error) if unpacking.members else _no_archive()) from error
    except UnicodeDecodeError as error:
        raise Refused(
            "unsafe_path", None, detail="A name in it is no text (UTF-8).", hint="Rename the file."
        ) from error
    except Exception as error:  # bad checksums, unknown codes, and whatever else a reader stumbles over
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the archive's
        raise _damaged(error) from error


def _damaged(error: Exception) -> Refused:
    reason = "its headers make no sense" if isinstance(error, _STUMBLES) else reason_of(error)
    return Refused("damaged_archive", None, detail=f"It is damaged: {reason}.", hint="Pack and send it again.")


def _no_archive() -> Refused:
    return Refused("not_an_archive", None, detail="It is none of the archives that are read.", hint=f"Send {EXPECTED}")


@dataclass(slots=True)
class _Unpacking:
    """Counts while it writes: what an archive says of its sizes is not believed."""

    into: Path
    limits: ArchiveLimits
    most_bytes: int
    members: int = 0
    written_bytes: int = 0
    taken: TakenPaths = field(default_factory=TakenPaths)
    made: PurePosixPath | None = None  #: the folder of the latest file

    def take(self, member: Member) -> None:
        self.members += 1
        path = safe_path(member)
        if not any(part.startswith(".") for part in path.parts):
            if member.kind == "folder":
                self.taken.take_folder(path)
                (self.into / path).mkdir(parents=True, exist_ok=True)
            elif _is_wanted(path):
                self.taken.take_file(path)
                self._make_folder(path.parent)
                self._write(member, path)
        if self.members + self.taken.folders > self.limits.members:
            raise _too_much(None, f"It has more than {self.limits.members:,} files and folders.")

    def _make_folder(self, path: PurePosixPath) -> None:
        """Unless it is that of the file before: to ask for each of many small files takes a tenth of the time."""
        if path != self.made:
            (self.into / path).mkdir(parents=True, exist_ok=True)
            self.made = path

    def _write(self, member: Member, path: PurePosixPath) -> None:
        size = 0
        with member.content() as content, (self.into / path).open("xb") as file:
            while chunk := content.read(_CHUNK_BYTES):
                size += len(chunk)
                self.written_bytes += len(chunk)
                self._refuse_excess(path, size)
                refuse_without_room(self.written_bytes, self.into, limits=self.limits)
                file.write(chunk)
        if size != member.size:
            detail = f"It has {size:,} bytes, where the archive says {member.size:,}."
            raise Refused("damaged_archive", str(path), detail=detail, hint="Pack and send it again.")

    def _refuse_excess(self, path: PurePosixPath, size: int) -> None:
        if size > self.limits.member_bytes and not is_array_file(path.name):
            raise _too_much(str(path), f"It is larger than {self.limits.member_bytes:,} bytes.")
        if self.written_bytes > self.most_bytes:
            raise too_large(self.most_bytes)


def _is_wanted(path: PurePosixPath) -> bool:
    return path.suffix.lower() in SUFFIXES or is_array_file(path.name)


def _too_much(path: str | None, detail: str) -> Refused:
    return Refused("archive_too_large", path, detail=detail, hint="Send fewer or smaller images.")
