"""Judges the paths in an archive: each must be plainly below the folder, and no two may mean the same file."""

import unicodedata
from pathlib import PurePosixPath

from worker.datasets.array_files import is_array_file
from worker.datasets.errors import Refused
from worker.datasets.members import Member

_ARCHIVE_SUFFIXES = frozenset(
    (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".lzma", ".zst", ".tzst", ".7z", ".rar")
)
_LONGEST_BYTES = 1000
_LONGEST_NAME_BYTES = 255
_DEEPEST = 64
_PACK_AGAIN = "Pack the folder again with a usual archiver."


def safe_path(member: Member) -> PurePosixPath:
    """The member's path below the folder; raises Refused unless it is plainly a file or folder in there."""
    name = member.name
    if member.kind not in ("file", "folder"):
        raise Refused("unsafe_member", _shown(name), detail=f"It is {member.kind}.", hint="Pack plain files only.")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or (name[:1].isalpha() and name[1:2] == ":"):
        raise Refused("unsafe_path", _shown(name), detail="Its path leads out of the archive.", hint=_PACK_AGAIN)
    if not name.isprintable():
        detail = "Its name holds characters that cannot be shown."
        raise Refused("unsafe_path", _shown(name), detail=detail, hint="Rename the file.")
    _refuse_long(name, path)
    if member.kind == "file" and path.suffix.lower() in _ARCHIVE_SUFFIXES and not is_array_file(path.name):
        raise Refused("nested_archive", name, detail="It is an archive itself.", hint="Unpack it before you pack.")
    return path


def _refuse_long(name: str, path: PurePosixPath) -> None:
    longest = max((len(part.encode()) for part in path.parts), default=0)
    if len(name.encode()) > _LONGEST_BYTES or longest > _LONGEST_NAME_BYTES or len(path.parts) > _DEEPEST:
        detail = f"Its path is longer than {_LONGEST_BYTES} bytes, {_LONGEST_NAME_BYTES} a name, or {_DEEPEST} folders."
        raise Refused("unsafe_path", _shown(name), detail=detail, hint="Give it a shorter path.")


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:200]


class TakenPaths:
    """The files and folders so far, by what a file system that knows no case would call them."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}  #: how each is spelled
        self._files: set[str] = set()

    @property
    def folders(self) -> int:
        """How many there are, named or not."""
        return len(self._folders)

    def take_folder(self, path: PurePosixPath) -> None:
        """Note a folder and all around it; raises Refused where one is a file, or was spelled otherwise before."""
        if self._folders.get(_key(path)) == str(path) or path == path.parent:
            return
        self.take_folder(path.parent)
        if _key(path) in self._files:
            raise Refused("duplicate_member", str(path), detail="It is both a file and a folder.", hint=_PACK_AGAIN)
        if (spelled := self._folders.setdefault(_key(path), str(path))) != str(path):
            raise _duplicate(path, f"It differs from {spelled!r} only in case or in how its letters are encoded.")

    def take_file(self, path: PurePosixPath) -> None:
        """Note a file; raises Refused where there is one, or a folder, of that name."""
        self.take_folder(path.parent)
        key = _key(path)
        if key in self._folders:
            raise Refused("duplicate_member", str(path), detail="It is both a file and a folder.", hint=_PACK_AGAIN)
        if key in self._files:
            detail = "It is there twice, or differs from another only in case or in how its letters are encoded."
            raise _duplicate(path, detail)
        self._files.add(key)


def _key(path: PurePosixPath) -> str:
    folded = unicodedata.normalize("NFC", str(path)).casefold()
    return unicodedata.normalize("NFC", folded)


def _duplicate(path: PurePosixPath, detail: str) -> Refused:
    return Refused("duplicate_member", str(path), detail=detail, hint="Rename one of the two.")
