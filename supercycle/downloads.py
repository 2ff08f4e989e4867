"""Downloads: each file whole and checked or not at all, taken up again where a connection broke or a run ended."""

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import httpx

from supercycle.errors import DigestMismatch, ProblemError, SupercycleError, UnexpectedAnswer
from supercycle.transport import Patience, Transport

# Called with a file's name, the bytes of it that are here, and how many there will be, where the service says so.
Progress = Callable[[str, int, int | None], None]

BLOCK_BYTES = 1 << 20
RANGE_NOT_SATISFIABLE = 416
_SHA256 = re.compile(r"[0-9a-f]{64}")


def save_all(
    transport: Transport,
    files: Mapping[str, tuple[str, str | None]],
    *,
    folder: str | Path,
    progress: Progress | None = None,
) -> list[Path]:
    """Download files, by name where each is and its sha256, into `folder`."""
    return [
        save(transport, href, folder=Path(folder), name=name, sha256=sha256, progress=progress)
        for name, (href, sha256) in files.items()
    ]


def save(
    transport: Transport,
    href: str,
    *,
    folder: Path,
    name: str,
    sha256: str | None,
    progress: Progress | None = None,
) -> Path:
    """Download one file into `folder` under `name`; what is there under that name is whole, or was there before.

    A connection that breaks is taken up at the byte where it broke, for as long as the transport is patient with one
    that brings nothing. Where the digest is known, so is a run that ended: what it had lies beside the file as
    `.NAME.DIGEST.part`, with the first 16 digits. A file that is there already and whole is not fetched.
    """
    target = folder / _plain(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    report = progress or _say_nothing
    expected = None if sha256 is None else _plain_digest(sha256)
    if expected is not None and target.is_file() and _digest_of(target) == expected:
        size = target.stat().st_size
        report(name, size, size)
        return target
    for _ in range(2):
        with _part(target, expected) as (part, file):
            download = Download(transport, href, file=file, report=lambda held, total: report(name, held, total))
            is_older = download.held > 0
            if expected is None or download.digest != expected:
                download.run(etag=expected and f'"{expected}"')
            wanted = expected or download.named_digest
            if wanted is None or download.digest == wanted:
                file.flush()
                return part.replace(target)
            part.unlink()
        if not is_older:
            break
    raise DigestMismatch(f"{target.name} arrived damaged: its sha256 is {download.digest}, not {wanted}")


class Download:
    """Gathers one file of the service in `file`, which may hold a first part of it."""

    def __init__(
        self, transport: Transport, href: str, *, file: BinaryIO, report: Callable[[int, int | None], None]
    ) -> None:
        self._transport = transport
        self._href = href
        self._file = file
        self._report = report
        self._etag: str | None = None
        self._total: int | None = None
        self._forget()
        for block in _blocks(file):
            self._count(block)
        self._furthest = self.held

    @property
    def digest(self) -> str:
        """Of all that is here."""
        return self._sha256.hexdigest()

    @property
    def named_digest(self) -> str | None:
        """What the service says the digest is: its ETag, where that looks like one."""
        etag = (self._etag or "").strip('"')
        return etag if _SHA256.fullmatch(etag) else None

    def run(self, *, etag: str | None) -> None:
        """Fetch what is missing, over as many connections as that takes; `etag` is that of the part already here.

        Raises the last error once nothing new has come for as long as the transport is patient.
        """
        self._etag = etag
        patience = Patience(self._transport.patience_seconds)
        while True:
            before = self._furthest
            try:
                self._receive()
                return
            except SupercycleError as error:
                if self._furthest > before:
                    patience.renew()
                if self.held and _is_past_the_end(error):
                    self._start_again()  # there is more here than the file has
                else:
                    patience.wait_out(error)

    def _receive(self) -> None:
        headers = {"Accept-Encoding": "identity"}  # bytes of the file itself, so that they can be counted
        if self.held and self._etag:
            headers |= {"Range": f"bytes={self.held}-", "If-Range": self._etag}
        with self._transport.stream(self._href, headers=headers) as response:
            self._read_head(response)
            for chunk in response.iter_bytes():
                self._file.write(chunk)
                self._count(chunk)
                self._furthest = max(self._furthest, self.held)
                self._report(self.held, self._total)

    def _read_head(self, response: httpx.Response) -> None:
        etag = response.headers.get("ETag", "")
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            span, _, size = response.headers.get("Content-Range", "").partition("/")
            if not span.startswith(f"bytes {self.held}-"):
                raise UnexpectedAnswer(f"{self._href}: asked for the bytes from {self.held} on, got {span!r}")
        else:
            size = response.headers.get("Content-Length", "")
            self._start_again()
            self._etag = etag if etag.startswith('"') else None  # a weak one does not stand for the same bytes
        self._total = int(size) if size.isdecimal() else None
        self._report(self.held, self._total)

    def _start_again(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._forget()

    def _forget(self) -> None:
        self.held = 0
        self._sha256 = hashlib.sha256()

    def _count(self, data: bytes) -> None:
        self.held += len(data)
        self._sha256.update(data)


def _is_past_the_end(error: SupercycleError) -> bool:
    """Whether the range that was asked for begins behind the file's last byte; a cache may say so for the service."""
    return isinstance(error, (ProblemError, UnexpectedAnswer)) and error.status == RANGE_NOT_SATISFIABLE


@contextmanager
def _part(target: Path, digest: str | None) -> Iterator[tuple[Path, BinaryIO]]:
    """Where to gather a file: what a later run takes up if this one ends early, or a place that goes with this run.

    The latter where no digest could tell whether the rest fits, or another process is at it.
    """
    path = target.with_name(f".{target.name}.{(digest or '')[:16]}.part")
    file = None if digest is None else _open_alone(path)
    if file is None:
        with (
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as scratch,
            (Path(scratch) / target.name).open("w+b") as file,
        ):
            yield Path(scratch) / target.name, file
        return
    with file:
        try:
            yield path, file
        except BaseException:
            if os.fstat(file.fileno()).st_size == 0:
                path.unlink()
            raise


def _open_alone(path: Path) -> BinaryIO | None:
    """The file, locked, its end the place to write; None where it cannot be had alone."""
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # somebody has it, or this file system has no locks
            file.close()
            return None
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
        file.close()  # whoever had it has finished it meanwhile


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(BLOCK_BYTES):
        yield block


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(name: str) -> str:
    """`name`, once it is known to stay inside the folder it is meant for."""
    if not name or "\\" in name or PurePosixPath(name).name != name or name == "..":
        raise UnexpectedAnswer(f"the service named a file {name!r}; only plain file names are saved")
    return name


def _plain_digest(sha256: str) -> str:
    digest = sha256.removeprefix("sha256:")
    if not _SHA256.fullmatch(digest):
        raise UnexpectedAnswer(f"the service gave {sha256!r} as a sha256, which has 64 hexadecimal digits")
    return digest


def _say_nothing(name: str, held: int, total: int | None) -> None:
    """Stands for a progress that nobody wants to see."""
