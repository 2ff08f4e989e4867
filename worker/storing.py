"""Puts files into the artifact store, with a little patience for a store that stumbles."""

import time
from pathlib import Path

import structlog
from obstore.exceptions import BaseError

from app.artifacts.store import ArtifactStore

log = structlog.get_logger()

PAUSES_SECONDS = (0.5, 2.0, 5.0)


def put_patiently(store: ArtifactStore, key: str, path: Path) -> None:
    """Store a file, trying again after each pause; the last failure is raised."""
    for pause in PAUSES_SECONDS:
        try:
            return store.put(key, path)
        except (BaseError, OSError) as error:
            log.warning("the store did not take a file; trying again", key=key, error=str(error))
            time.sleep(pause)
    return store.put(key, path)
