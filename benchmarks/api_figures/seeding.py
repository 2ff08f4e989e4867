"""A database as it is after years: a hundred thousand jobs, and the history of one with a hundred thousand steps."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, text

from app.db.session import Database
from app.db.tables import JobEventTable, JobTable, JobTagTable
from app.ids import new_id

STEPS = 100_000
BLOCK = 50  #: steps in an event, as a worker writes them
REVISION = 7
_STATES = ["succeeded"] * 96 + ["failed"] * 2 + ["cancelled", "paused"]
_KINDS = ["training"] * 9 + ["range_test"]
_AT_ONCE = 5_000


def put_jobs(database: Database, like: str, *, count: int) -> list[str]:
    """Ids of new jobs, oldest first, all with the spec and the facts of the job `like`."""
    dice = random.Random(0)  # noqa: S311 - for states and kinds
    ids = sorted(new_id("job") for _ in range(count))
    with database.reading() as session:
        row = session.execute(select(JobTable.__table__).where(JobTable.id == like)).one()._asdict()
    for start in range(0, count, _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        with database.transaction() as session:
            session.execute(insert(JobTable), [row | _facts(id, dice) for id in some])
            session.execute(insert(JobTagTable), [{"job_id": id, "tag": f"tag-{int(id[-2:], 36) % 20}"} for id in some])
    return ids


def _facts(id: str, dice: random.Random) -> dict[str, Any]:
    now = datetime.now(UTC)
    state = dice.choice(_STATES)
    ended = None if state == "paused" else now
    return {
        "id": id,
        "state": state,
        "kind": dice.choice(_KINDS),
        "created_at": now,
        "started_at": now,
        "finished_at": ended,
        "revision": REVISION,
    }


def put_steps(database: Database, like: str, *, kind: str) -> str:
    """The id of a new job of this kind with as many steps in its history as there may be."""
    [id] = put_jobs(database, like, count=1)
    phase = "training" if kind == "training" else "range_test"
    rows = [{"job_id": id, "seq": seq, "attempt": 1, **event} for seq, event in enumerate(_history(phase), 1)]
    with database.transaction() as session:
        session.execute(insert(JobEventTable), rows)
        job = session.get_one(JobTable, id)
        job.kind, job.last_seq = kind, len(rows)
    return id


def _history(phase: str) -> Iterator[dict[str, Any]]:
    dice = random.Random(1)  # noqa: S311 - for losses
    now = datetime.now(UTC)
    for first in range(0, STEPS, BLOCK):
        steps = range(first, first + BLOCK)
        # A range test's rate rises; its loss falls and explodes, as one does that diverges.
        rates = [1e-6 * 10 ** (7 * step / STEPS) for step in steps]
        losses = [2.3 - step / STEPS + dice.gauss(0, 0.1) for step in steps]
        data = {
            "phase": phase,
            "first_step": first,
            "learning_rate": rates,
            "momentum": [0.95 - 0.1 * step / STEPS for step in steps],
            "loss": losses,
        }
        yield {"type": "steps", "time": now, "data": data}


def settle(database: Database) -> None:
    """What a server does by itself in time; SQLite gathers no statistics unless told to, and is not."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def as_text(body: dict[str, Any]) -> str:
    """A body as it goes over the wire."""
    return json.dumps(body, separators=(",", ":"))
