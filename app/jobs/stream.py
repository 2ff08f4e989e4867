"""Waiting for jobs: one poller per process wakes everyone who follows a job when its row has moved."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import structlog
from fastapi.sse import format_sse_event

from app.db.session import DATABASE_DOWN, Database
from app.domain.lifecycle import JobState
from app.jobs.repository import JobRepository
from app.jobs.schemas import EventOut

log = structlog.get_logger()

POLL_SECONDS = 0.1
KEEPALIVE_SECONDS = 15.0
PAGE = 200


@dataclass(frozen=True)
class Head:
    """What a listener needs to know of a job to decide whether to read on."""

    revision: int
    last_seq: int
    state: JobState


Condition = Callable[[Head], bool]


class Watcher:
    """Polls the rows of all watched jobs together, only while somebody listens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[str, set[tuple[Condition, asyncio.Future[Head | None]]]] = defaultdict(set)
        self._poller: asyncio.Task[None] | None = None

    async def until(self, job_id: str, condition: Condition, *, timeout_seconds: float) -> Head | None:
        """Wait until the job's head meets the condition. None when the job is gone; TimeoutError in the end."""
        entry = (condition, asyncio.get_running_loop().create_future())
        self._listeners[job_id].add(entry)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(entry[1], timeout_seconds)
        finally:
            self._listeners[job_id].discard(entry)
            if not self._listeners[job_id]:
                del self._listeners[job_id]

    async def _poll(self) -> None:
        while self._listeners:
            try:
                self._wake(self._heads())
            except DATABASE_DOWN as error:  # listeners wait on, or time out; the next round tries again
                log.warning("the watcher cannot read the database", error=str(error))
            await asyncio.sleep(POLL_SECONDS)

    def _heads(self) -> dict[str, Head]:
        with self._database.reading() as session:
            heads = JobRepository(session).heads(list(self._listeners))
        return {id: Head(revision, seq, JobState(state)) for id, (revision, seq, state) in heads.items()}

    def _wake(self, heads: dict[str, Head]) -> None:
        for job_id, entries in list(self._listeners.items()):
            head = heads.get(job_id)
            for condition, future in entries:
                if not future.done() and (head is None or condition(head)):
                    future.set_result(head)


async def server_sent_events(database: Database, watcher: Watcher, job_id: str, *, after: int) -> AsyncIterator[bytes]:
    """A job's history from `after` on, then what follows, until it ends. Nothing is lost or repeated."""
    seen = after
    while True:
        page = _page(database, job_id, seen)
        for event in page:
            seen = event.seq
            yield format_sse_event(data_str=event.model_dump_json(), event=event.type, id=str(seen))
            if _is_terminal(event):
                return
        if page:
            continue
        try:
            head = await watcher.until(job_id, partial(_has_news, seen), timeout_seconds=KEEPALIVE_SECONDS)
        except TimeoutError:
            yield b": still here\n\n"
            continue
        if head is None or head.last_seq <= seen:
            return  # the job was deleted, or ended before the seq that was asked for


def _has_news(seen: int, head: Head) -> bool:
    return head.last_seq > seen or head.state.ended


def _page(database: Database, job_id: str, after: int) -> list[EventOut]:
    with database.reading() as session:
        return [EventOut.of(row) for row in JobRepository(session).events(job_id, after=after, limit=PAGE)]


def _is_terminal(event: EventOut) -> bool:
    return event.type == "state" and JobState(event.data["state"]).ended
