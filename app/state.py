"""What one API process holds for all its requests, handed to endpoints instead of globals."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from app.api_keys.held import HeldKeys
from app.api_keys.keyring import Keyring
from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.datasets.quotas import Arrivals
from app.db.session import Database
from app.idempotency.in_flight import InFlight
from app.jobs.stream import Pages
from app.jobs.watcher import Watcher
from app.queue import Queue


@dataclass(frozen=True)
class State:
    """The parts of the service, made once at start."""

    settings: Settings
    database: Database
    queue: Queue
    store: ArtifactStore
    watcher: Watcher
    keyring: Keyring
    held_keys: HeldKeys
    in_flight: InFlight
    arrivals: Arrivals
    pages: Pages
    keepalive_seconds: float  #: between comments on a silent stream


def state_of(request: Request) -> State:
    """The state of the app that serves this request."""
    return cast("State", request.app.state.parts)


async def _parts(request: Request) -> State:
    return state_of(request)  # FastAPI sends a plain function through a thread, for every request


Parts = Annotated[State, Depends(_parts)]
