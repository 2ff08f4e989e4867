"""What is uploaded: archives as they are, and folders packed into one."""

import gzip
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def as_archive(path: Path) -> Iterator[Path]:
    """An archive as it is, or a folder packed into a temporary one."""
    if path.is_file():
        yield path
        return
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is neither an archive nor a folder")
    with tempfile.TemporaryDirectory(prefix="supercycle-") as scratch:
        archive = Path(scratch) / f"{path.resolve().name}.tar.gz"
        _pack(path, archive)
        yield archive


def _pack(folder: Path, archive: Path) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_hidden(path, folder)]
    # Pictures are compressed already: the least effort loses nothing. Links are packed as what they point to. Without a
    # time in its head the same folder gives the same archive, which the service must see where an upload is repeated.
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=1, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", dereference=True) as packed,
    ):
        for path in files:
            packed.add(path, arcname=path.relative_to(folder).as_posix(), recursive=False)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
