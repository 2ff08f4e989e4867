"""Is the service alive, is it ready, and how is it doing: /healthz, /readyz, /metrics."""

import time
from collections.abc import Callable, Iterator

from fastapi import APIRouter, Depends, Response
from kombu.exceptions import OperationalError as BrokerError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.artifacts.store import StoreUnavailable
from app.db.schema import current_revision, newest_revision
from app.db.tables import WorkerTable
from app.db.types import database_now, now_seconds
from app.jobs.repository import JobRepository
from app.security import authenticate
from app.state import Parts, State

router = APIRouter(tags=["health"])


class Check(BaseModel):
    """One part of the service; `detail` says what to do when it is not ready."""

    ok: bool
    detail: str


class Readiness(BaseModel):
    """Whether the service can do its work, part by part."""

    ready: bool
    parts: dict[str, Check]


@router.get("/healthz")
async def live() -> dict[str, str]:
    """Answers as long as the process runs."""
    return {"status": "live"}


@router.get("/readyz", responses={503: {"model": Readiness}})
def ready(parts: Parts, response: Response) -> Readiness:
    """200 when every part works, else 503; each part is named."""
    checks = {name: _checked(check, parts) for name, check in _CHECKS.items()}
    whole = Readiness(ready=all(check.ok for check in checks.values()), parts=checks)
    response.status_code = 200 if whole.ready else 503
    return whole


def _checked(check: Callable[[State], str], parts: State) -> Check:
    try:
        return Check(ok=True, detail=check(parts))
    except NotReady as reason:
        return Check(ok=False, detail=str(reason))
    except (DBAPIError, PoolTimeout, BrokerError, OSError, StoreUnavailable) as error:
        return Check(ok=False, detail=f"does not answer: {type(error).__name__}")


class NotReady(Exception):
    """A part works, but not well enough."""


def _database(parts: State) -> str:
    with parts.database.reading() as session:
        now_seconds(session)
    return "answers"


def _schema(parts: State) -> str:
    current, newest = current_revision(parts.database), newest_revision()
    if current != newest:
        raise NotReady(f"schema_behind: at {current}, needs {newest}; run `supercycle migrate`")
    return f"at {newest}"


def _broker(parts: State) -> str:
    parts.queue.ping()
    return "answers"


def _storage(parts: State) -> str:
    parts.store.ping()
    return "answers"


def _worker(parts: State) -> str:
    longest = 3 * parts.settings.heartbeat_seconds + 5
    with parts.database.reading() as session:
        rows = list(session.execute(select(WorkerTable.name, database_now() - WorkerTable.heard_at)))
    alive = sorted(name for name, age in rows if age is not None and float(age) < longest)
    if not alive:
        raise NotReady("no worker was heard from; start one with `supercycle worker`")
    return f"heard from {', '.join(alive)}"


_CHECKS: dict[str, Callable[[State], str]] = {
    "database": _database,
    "schema": _schema,
    "broker": _broker,
    "storage": _storage,
    "worker": _worker,
}


@router.get("/metrics", dependencies=[Depends(authenticate)], response_class=Response)
def metrics(parts: Parts) -> Response:
    """Figures for Prometheus, read from the rows, so every API process tells the same."""
    registry = CollectorRegistry()
    registry.register(_Figures(parts))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    def __init__(self, parts: State) -> None:
        self._parts = parts

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: a registry that is told nothing here reads all the figures just to learn their names."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the figures anew."""
        with self._parts.database.reading() as session:
            jobs = JobRepository(session)
            counts, oldest = jobs.count_by_kind_and_state(), jobs.oldest_queued()
            ages = list(session.execute(select(WorkerTable.name, database_now() - WorkerTable.heard_at)))
        by_state = GaugeMetricFamily("supercycle_jobs", "Jobs by kind and state.", labels=["kind", "state"])
        for kind, state, count in counts:
            by_state.add_metric([kind, state], count)
        yield by_state
        waited = max(0.0, time.time() - oldest.timestamp()) if oldest else 0.0
        yield GaugeMetricFamily("supercycle_queue_age_seconds", "How long the oldest queued job waits.", value=waited)
        heard = GaugeMetricFamily("supercycle_worker_heard_seconds", "Since a worker was heard.", labels=["worker"])
        for name, age in ages:
            heard.add_metric([name], float(age))
        yield heard
