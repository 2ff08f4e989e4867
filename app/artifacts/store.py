"""The artifact store: immutable objects by key, in a local folder or in S3, through one interface."""

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import unquote, urlsplit

import obstore
import structlog
from obstore.store import LocalStore

from app.artifacts.remote import READ_TIMEOUT, WRITE_TIMEOUT, StoreUnavailable, answering, connect
from app.disk import sync

log = structlog.get_logger()

CHUNK_BYTES = 1 << 20
PART_BYTES = 8 << 20
PAGE_OBJECTS = 1000
_UNFINISHED = re.compile(r".+#\d+")  #: how the local store names a file until it is whole; listings do not show it

__all__ = ["ArtifactStore", "StoreUnavailable", "StoredObject"]


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing shows it."""

    key: str
    stored_at: datetime


class ArtifactStore:
    """Keys carry the fence they were written under, so two workers never write the same object.

    Every method raises StoreUnavailable when a store on another machine does not answer or refuses.
    """

    def __init__(self, url: str) -> None:
        self._root = Path(unquote(urlsplit(url).path)) if urlsplit(url).scheme == "file" else None
        local = LocalStore(self._root, mkdir=True, automatic_cleanup=True) if self._root else None
        self._store = local or connect(url, timeout=READ_TIMEOUT)
        self._writing = local or connect(url, timeout=WRITE_TIMEOUT)

    @property
    def is_remote(self) -> bool:
        """Whether it is shared by hosts that share no folder."""
        return self._root is None

    def put(self, key: str, path: Path) -> None:
        """Store a file, in parts when it is large; it is on disk when this returns."""
        with path.open("rb") as file, answering():
            obstore.put(self._writing, key, file, chunk_size=PART_BYTES, max_concurrency=4)
        if self._root is not None:  # the local store renames into place, but does not sync
            sync(self._root / key)
            sync((self._root / key).parent)

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`."""
        with answering():
            size = obstore.head(self._store, key)["size"] if end is None else end
        for begin in range(start, size, CHUNK_BYTES):
            with answering():
                chunk = obstore.get_range(self._store, key, start=begin, end=min(begin + CHUNK_BYTES, size))
            yield bytes(chunk)

    def fetch(self, key: str, path: Path) -> None:
        """Write an object into a file; it is on disk when this returns."""
        with path.open("wb") as file:
            for chunk in self.stream(key):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            with answering():
                obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def pages(self, prefix: str) -> Iterator[list[StoredObject]]:
        """The objects below a prefix, a page at a time."""
        found = obstore.list(self._store, prefix=prefix, chunk_size=PAGE_OBJECTS)
        while True:
            with answering():
                batch = next(found, None)
            if batch is None:
                return
            yield [StoredObject(entry["path"], entry["last_modified"]) for entry in batch]

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; that one is gone already is no error."""
        if self._root is None:
            with answering():
                obstore.delete(self._store, list(keys))
            return
        for key in keys:
            with suppress(FileNotFoundError), answering():
                obstore.delete(self._store, key)

    def delete_below(self, prefix: str) -> None:
        """Delete every object below a prefix."""
        for page in self.pages(prefix):
            self.delete(found.key for found in page)

    def discard_below(self, prefix: str) -> None:
        """Delete the objects below a prefix that no row names any more, or leave them as garbage.

        With the store down nobody can be helped by an error: the row is gone, and a second DELETE finds none.
        """
        try:
            self.delete_below(prefix)
        except OSError as error:
            log.warning("the storage keeps objects that were to be deleted", prefix=prefix, error=str(error))

    def delete_unfinished(self, *, older_than: timedelta) -> list[str]:
        """Delete what puts that were killed left in a local folder; their names.

        S3 shows the parts of unfinished uploads to nobody who lists: there a rule of the bucket ends them.
        """
        if self._root is None:
            return []
        oldest = time.time() - older_than.total_seconds()
        names = []
        for path in self._root.rglob("*#*"):
            with suppress(FileNotFoundError):  # it was finished, or deleted by its writer
                if _UNFINISHED.fullmatch(path.name) and path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink()
                    names.append(str(path.relative_to(self._root)))
        return names

    def ping(self) -> None:
        """Raise OSError unless the store can be listed, or a local folder be written."""
        if self._root is not None:
            TemporaryFile(dir=self._root).close()
            return
        with answering():
            obstore.list_with_delimiter(self._store, prefix="ping")
