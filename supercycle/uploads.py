"""What is uploaded: a file as it is, or a folder packed while it is sent; never held in memory, nor put on a disk."""

import io
import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

PIECE_BYTES = 1 << 16
# What the service would ignore anyway.
_IGNORED = ("__MACOSX",)
_END = bytes(2 * tarfile.BLOCKSIZE)

Pieces = Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Upload:
    """Something to send. `pieces` begins anew with every call, and gives the same bytes, `size` of them."""

    name: str
    size: int
    pieces: Callable[[], Pieces]
    files: int = 1
    left_out: Counter[str] = field(default_factory=Counter)  #: of a folder, how many of what


def upload_of(path: Path) -> Upload:
    """An archive as it is, or a folder as the archive that it will be packed into; raises OSError."""
    if path.is_file():
        size = path.stat().st_size
        return Upload(_shown(path.name), size, lambda: _whole(path, size))
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is neither an archive nor a folder")
    left_out: Counter[str] = Counter()
    size, files = len(_END), 0
    for entry in _walk(path, left_out):
        size += len(entry.header()) + entry.padded_size
        files += entry.is_file
    return Upload(f"{_shown(path.resolve().name)}.tar", size, lambda: _pack(path, size), files, left_out)


def _shown(name: str) -> str:
    """A name as text; a file system takes any bytes."""
    return name.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or folder as it stands in the archive."""

    path: Path
    name: str
    size: int
    is_file: bool

    @property
    def padded_size(self) -> int:
        """Of its content, in whole blocks."""
        return self.size + -self.size % tarfile.BLOCKSIZE

    def header(self) -> bytes:
        """The same whoever packs it, and whenever: a repeated upload must be the same."""
        info = tarfile.TarInfo(self.name)
        info.size = self.size
        if not self.is_file:
            info.type, info.mode = tarfile.DIRTYPE, 0o755
        return info.tobuf(tarfile.PAX_FORMAT)


def _walk(folder: Path, left_out: Counter[str]) -> Iterator[_Entry]:
    """Files and folders, in an order that is the same everywhere. Links to files are followed, those to folders not."""
    for place, folders, files in os.walk(folder, onerror=_refuse):
        kept = [name for name in folders if _is_kept(Path(place, name), left_out, is_folder=True)]
        folders[:] = sorted(kept)
        where = Path(place).relative_to(folder)
        if where.parts:
            yield _Entry(Path(place), where.as_posix(), 0, is_file=False)
        for name in sorted(files):
            path = Path(place, name)
            if _is_kept(path, left_out, is_folder=False):
                yield _Entry(path, (where / name).as_posix(), path.stat().st_size, is_file=True)


def _is_kept(path: Path, left_out: Counter[str], *, is_folder: bool) -> bool:
    if path.name.startswith(".") or path.name in _IGNORED:
        left_out["hidden"] += 1
    elif is_folder and path.is_symlink():
        left_out["links to folders"] += 1
    elif not is_folder and not (path.exists() and S_ISREG(path.stat().st_mode)):
        left_out["no files"] += 1
    else:
        return True
    return False


def _refuse(error: OSError) -> None:
    """A folder that cannot be listed must not be left out in silence."""
    raise error


def _pack(folder: Path, size: int) -> Pieces:
    return _exactly(_tar(folder), size, path=folder)


def _tar(folder: Path) -> Pieces:
    for entry in _walk(folder, Counter()):
        yield entry.header()
        if entry.is_file:
            yield from _whole(entry.path, entry.size)
            yield bytes(entry.padded_size - entry.size)
    yield _END


def _whole(path: Path, size: int) -> Pieces:
    return _exactly(_read(path), size, path=path)


def _exactly(pieces: Pieces, size: int, *, path: Path) -> Pieces:
    """As many bytes as were promised, or OSError."""
    left = size
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left != 0:
        raise OSError(f"{path} changed while it was sent; send it again")


def _read(path: Path) -> Pieces:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


class Reader:
    """An upload as an open file, for what reads it from its beginning and asks for its length first."""

    def __init__(self, upload: Upload, *, report: Callable[[int], None]) -> None:
        self._upload = upload
        self._report = report
        self._restart()

    def _restart(self) -> None:
        self._pieces = self._upload.pieces()
        self._ahead = bytearray()
        self._sent = 0

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        while len(self._ahead) < size and (piece := next(self._pieces, None)) is not None:
            self._ahead += piece
        taken = bytes(self._ahead[:size])
        del self._ahead[:size]
        if taken:
            self._sent += len(taken)
            self._report(self._sent)
        return taken

    def tell(self) -> int:
        """How much was read."""
        return self._sent

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """To the beginning; to the end only to learn where it is."""
        if whence == io.SEEK_END:
            return self._upload.size
        if offset != 0:
            raise io.UnsupportedOperation("an upload is read from its beginning")
        self._restart()
        return 0
