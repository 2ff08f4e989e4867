"""Files between a program and the service: checked downloads, and folders packed for upload."""

import gzip
import hashlib
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from supercycle.errors import DigestMismatch, UnexpectedAnswer
from supercycle.transport import Transport


def save(transport: Transport, href: str, *, folder: Path, name: str, sha256: str | None) -> Path:
    """Download one file into `folder` under `name`; what is there under that name is whole, or was there before."""
    target = folder / _plain(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    return transport.patiently(lambda: _fetch(transport, href, target=target, sha256=sha256))


def _fetch(transport: Transport, href: str, *, target: Path, sha256: str | None) -> Path:
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as scratch:
        partial = Path(scratch) / target.name
        with transport.stream(href) as response, partial.open("wb") as file:
            for chunk in response.iter_bytes():
                digest.update(chunk)
                file.write(chunk)
        if sha256 is not None and digest.hexdigest() != sha256.removeprefix("sha256:"):
            raise DigestMismatch(f"{target.name} arrived damaged: its sha256 is {digest.hexdigest()}, not {sha256}")
        return partial.replace(target)


def _plain(name: str) -> str:
    """`name`, once it is known to stay inside the folder it is meant for."""
    if not name or "\\" in name or PurePosixPath(name).name != name or name == "..":
        raise UnexpectedAnswer(f"the service named a file {name!r}; only plain file names are saved")
    return name


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
