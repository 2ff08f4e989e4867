"""The HTTP service: routers, error handlers, lifespan. `python -m app.main` runs it."""

import argparse
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from app import problems
from app.api_keys.doors import why_closed
from app.api_keys.held import HeldKeys
from app.api_keys.keyring import Keyring
from app.architectures.endpoints import router as architectures
from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.datasets.endpoints import router as datasets
from app.datasets.quotas import Arrivals
from app.db.session import Database
from app.gate import Gate
from app.health import router as health
from app.http import refuse_unknown_parameters
from app.idempotency.in_flight import InFlight
from app.jobs.endpoints import router as jobs
from app.jobs.follow import router as follow
from app.jobs.stream import KEEPALIVE_SECONDS, Pages
from app.jobs.watcher import Watcher
from app.logs import configure_logs
from app.metrics import router as metrics
from app.models.endpoints import router as models
from app.network import is_loopback_address
from app.openapi.document import complete
from app.parent import follow_stdin
from app.protocol import Protocol
from app.queue import CeleryQueue, Queue
from app.schedules.endpoints import router as schedules
from app.security import permit, permit_reading
from app.state import State
from app.wakes import announcer, subscriber
from app.webhooks.described import described
from app.webhooks.endpoints import router as webhooks

DESCRIPTION = """Training as a service with super-convergence: submit learning-rate range tests and one-cycle
trainings, follow them live, and download models, curves and plots. Errors are `application/problem+json`.

Every GET below `/v1` answers with an `ETag`; with that in `If-None-Match`, what has not changed is a 304.
What takes a GET takes a HEAD."""


class Service(FastAPI):
    """FastAPI behind the gate: what the framework refuses or fails at by itself passes it too."""

    def build_middleware_stack(self) -> ASGIApp:
        """The gate, then everything else."""
        return Gate(super().build_middleware_stack(), is_open=self.state.parts.keyring.is_open)

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            complete(super().openapi())
        return super().openapi()


def create_app(
    settings: Settings,
    *,
    queue: Queue | None = None,
    may_be_open: bool = True,
    keepalive_seconds: float = KEEPALIVE_SECONDS,
) -> FastAPI:
    """The service under these settings; tests hand in a queue of their own.

    `may_be_open` says that only this machine reaches it, so that it needs no key while none was made.
    """
    app = Service(
        title="Supercycle",
        version=version("supercycle"),
        description=DESCRIPTION,
        lifespan=_lifespan,
        max_body_size=settings.max_body_bytes,
        generate_unique_id_function=_operation_id,
        webhooks=described(),
    )
    database = Database(settings.database, announce=announcer(settings))
    keyring = Keyring(database, admin_key=settings.api_key, may_be_open=may_be_open)
    app.state.parts = State(
        settings=settings,
        database=database,
        queue=queue or CeleryQueue(settings),
        store=ArtifactStore(settings.storage),
        keyring=keyring,
        held_keys=HeldKeys(keyring),
        in_flight=InFlight(),
        arrivals=Arrivals(),
        watcher=Watcher(database, subscriber=subscriber(settings)),
        pages=Pages(database),
        keepalive_seconds=keepalive_seconds,
    )
    problems.install(app)
    # The scheme is only for the document: `permit` asks who calls, and that whether a key is needed at all.
    scheme = Depends(HTTPBearer(auto_error=False, description="The key, where the server was given one."))
    app.include_router(health)
    app.include_router(metrics, dependencies=[scheme])
    for router in (jobs, follow, datasets, models, architectures, webhooks):
        checks = [scheme, Depends(permit), Depends(refuse_unknown_parameters)]
        app.include_router(router, dependencies=checks, responses=problems.RESPONSES)
    checks = [scheme, Depends(permit_reading), Depends(refuse_unknown_parameters)]
    app.include_router(schedules, dependencies=checks, responses=problems.RESPONSES)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    parts: State = app.state.parts
    await parts.watcher.close()
    await parts.held_keys.close()
    parts.database.dispose()


def _operation_id(route: APIRoute) -> str:
    return route.name


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="supercycle api", description="The HTTP service.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--follow-stdin", action="store_true", help="stop when standard input ends")
    arguments = parser.parse_args()
    settings = Settings()
    is_loopback = is_loopback_address(arguments.host)
    if not is_loopback and (reason := why_closed(settings)):
        parser.error(f"{reason}, so the service listens on loopback only, not on {arguments.host}")
    if arguments.follow_stdin:
        follow_stdin()
    configure_logs("api")
    app = create_app(settings, may_be_open=is_loopback)
    gc.collect()
    gc.freeze()  # to look through what stays anyway stops every request, for up to a tenth of a second
    # An open event stream would hold the shutdown for ever; listeners come back with Last-Event-ID.
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        http=Protocol,
        log_config=None,  # its lines are ours, too
        log_level="warning",
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
