"""What an archive is and what it holds, whichever format it has."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from worker.datasets.errors import Refused

Form = Literal["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second is an empty one's
_GZIP = b"\x1f\x8b"
_BZIP2 = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")  # after BZh and a digit; the second is an empty one's
_XZ = b"\xfd7zXZ\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPED = b"\x2a\x4d\x18"  # after a byte from 0x50 to 0x5f; pzstd begins with one


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive. `content` opens what it holds, to be read once."""

    name: str
    kind: str  #: file, folder, or in words what else it claims to be
    size: int  #: as it claims
    content: Callable[[], IO[bytes]]


def form_of(path: Path) -> Form:
    """The format, by the first bytes alone, as every reader from the front sees it; what is nothing else is a tar."""
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(_GZIP):
        return "tar.gz"
    if head.startswith(b"BZh") and head[4:].startswith(_BZIP2):
        return "tar.bz2"
    if head.startswith(_XZ):
        return "tar.xz"
    is_skipped = head[1:4] == _ZSTD_SKIPPED and 0x50 <= head[0] <= 0x5F
    return "tar.zst" if head.startswith(_ZSTD) or is_skipped else "tar"


def too_large(most_bytes: int) -> Refused:
    """The archive unpacks to more than one of its size may."""
    detail = f"It unpacks to more than {most_bytes:,} bytes, the most for an archive of its size."
    return Refused("archive_too_large", None, detail=detail, hint="Send fewer or smaller images.")
