"""The artifact store: immutable objects by key, in a local folder or in S3, through one interface."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

log = structlog.get_logger()

CHUNK_BYTES = 1 << 20


class StoreUnavailable(Exception):
    """The store does not answer, or lost what it was given."""


class ArtifactStore:
    """Keys carry the fence they were written under, so two workers never write the same object."""

    def __init__(self, url: str) -> None:
        self._root = Path(unquote(urlsplit(url).path)) if urlsplit(url).scheme == "file" else None
        self._store = LocalStore(self._root, mkdir=True, automatic_cleanup=True) if self._root else from_url(url)

    def put(self, key: str, path: Path) -> None:
        """Store a file; it is on disk when this returns."""
        with path.open("rb") as file:
            obstore.put(self._store, key, file, chunk_size=8 << 20)
        if self._root is not None:
            _sync(self._root / key)  # the local store renames into place, but does not sync

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`."""
        size = obstore.head(self._store, key)["size"] if end is None else end
        for begin in range(start, size, CHUNK_BYTES):
            yield bytes(obstore.get_range(self._store, key, start=begin, end=min(begin + CHUNK_BYTES, size)))

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def delete_below(self, prefix: str) -> None:
        """Delete every object below a prefix."""
        for batch in obstore.list(self._store, prefix=prefix):
            obstore.delete(self._store, [entry["path"] for entry in batch])

    def discard_below(self, prefix: str) -> None:
        """Delete the objects below a prefix that no row names any more, or leave them as garbage.

        With the store down nobody can be helped by an error: the row is gone, and a second DELETE finds none.
        """
        try:
            self.delete_below(prefix)
        except (BaseError, OSError) as error:
            log.warning("the storage keeps objects that were to be deleted", prefix=prefix, error=str(error))

    def ping(self) -> None:
        """Raise StoreUnavailable unless the store can be listed."""
        try:
            obstore.list_with_delimiter(self._store, prefix="ping")
        except (BaseError, OSError) as error:
            raise StoreUnavailable(str(error)) from error


def _sync(path: Path) -> None:
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
