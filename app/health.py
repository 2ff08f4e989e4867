"""Is the service alive, and is it ready: /healthz and /readyz."""

from collections.abc import Callable
from importlib.metadata import version

from fastapi import APIRouter, Response
from kombu.exceptions import OperationalError as BrokerError
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.artifacts.store import StoreUnavailable
from app.db.schema import current_revision, newest_revision
from app.db.tables import WorkerTable
from app.db.types import database_now, now_seconds
from app.state import Parts, State

router = APIRouter(tags=["health"])


class Check(BaseModel):
    """One part of the service; `detail` says what to do when it is not ready."""

    ok: bool
    detail: str


class Readiness(BaseModel):
    """Whether the service can do its work, part by part."""

    ready: bool
    version: str
    parts: dict[str, Check]


@router.get("/healthz")
async def live() -> dict[str, str]:
    """Answers as long as the process runs."""
    return {"status": "live"}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "A part does not work."}})
def ready(parts: Parts, response: Response) -> Readiness:
    """200 when every part works, else 503; each part is named."""
    checks = _checks(parts)
    is_ready = all(check.ok for check in checks.values())
    whole = Readiness(ready=is_ready, version=version("supercycle"), parts=checks)
    response.status_code = 200 if whole.ready else 503
    return whole


def _checks(parts: State) -> dict[str, Check]:
    """Each part; what cannot be asked while another is down says so, instead of failing in its own way."""
    checks: dict[str, Check] = {}
    for name, check in _CHECKS.items():
        need = _NEEDS.get(name)
        is_known = need is None or checks[need].ok
        checks[name] = _checked(name, check, parts) if is_known else Check(ok=False, detail=f"not known: see {need}")
    return checks


def _checked(name: str, check: Callable[[State], str], parts: State) -> Check:
    try:
        return Check(ok=True, detail=check(parts))
    except (NotReady, StoreUnavailable) as reason:
        return Check(ok=False, detail=str(reason))
    except (SQLAlchemyError, BrokerError, OSError) as error:
        # The reason without the address: anybody may ask this.
        what = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        return Check(ok=False, detail=f"does not answer ({what}): {_ADVICE[name]}")


class NotReady(Exception):
    """A part works, but not well enough."""


def _database(parts: State) -> str:
    with parts.database.reading() as session:
        now_seconds(session)
    return "answers"


def _schema(parts: State) -> str:
    current, newest = current_revision(parts.database), newest_revision()
    if current is not None and current > newest:
        raise NotReady(f"schema_ahead: at {current}, this version knows {newest}; install the version that migrated it")
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
_NEEDS = {"schema": "database", "worker": "schema"}
_ADVICE = {
    "database": "see whether it runs, and whether SUPERCYCLE_DATABASE_URL leads to it",
    "schema": "see whether the database runs",
    "broker": "see whether it runs, and whether SUPERCYCLE_BROKER_URL leads to it; submitted jobs wait meanwhile",
    "storage": "see whether the folder is there and can be written, and SUPERCYCLE_STORAGE_URL or SUPERCYCLE_DATA_DIR",
    "worker": "see whether the database runs",
}
