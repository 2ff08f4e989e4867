"""Puts files into the artifact store and fetches them, with a little patience for a store that stumbles."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from app.artifacts.store import ArtifactStore, StoreUnavailable

log = structlog.get_logger()

PAUSES_SECONDS = (0.5, 2.0, 5.0)


def put_patiently(store: ArtifactStore, key: str, path: Path) -> None:
    """Store a file, trying again after each pause; the last failure is raised."""
    _patiently(lambda: store.put(key, path), key=key, stumbles=OSError)


def fetch_patiently(store: ArtifactStore, key: str, path: Path) -> None:
    """Fetch an object into a file in the same way; that there is none is known at once."""
    _patiently(lambda: store.fetch(key, path), key=key, stumbles=StoreUnavailable)


def _patiently(act: Callable[[], None], *, key: str, stumbles: type[OSError]) -> None:
    for pause in PAUSES_SECONDS:
        try:
            return act()
        except stumbles as error:
            log.warning("the store stumbled; trying again", key=key, error=str(error))
            time.sleep(pause)
    return act()
