"""Waiting for jobs: one poller per process wakes everyone who follows a job when its row has moved."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from app.db.session import DATABASE_DOWN, Database
from app.domain.lifecycle import JobState
from app.jobs.repository import JobRepository
from app.wakes import Subscriber

log = structlog.get_logger()

POLL_SECONDS = 0.1
FALLBACK_SECONDS = 1.0  #: between polls where wake-ups are heard, which may get lost
LEAST_SECONDS = 0.02  #: between polls in any case: a burst of commits is one
AT_ONCE = 25  #: listeners woken before other requests get their turn


@dataclass(frozen=True)
class Head:
    """What a listener needs to know of a job to decide whether to read on."""

    revision: int
    last_seq: int
    state: JobState


Condition = Callable[[Head], bool]


class Watcher:
    """Polls the rows of all watched jobs together, only while somebody listens; sooner where a wake-up comes."""

    def __init__(self, database: Database, *, subscriber: Subscriber | None = None) -> None:
        self._database = database
        self._subscriber = subscriber
        self._subscribed: asyncio.Task[None] | None = None
        self._listeners: dict[str, set[tuple[Condition, asyncio.Future[Head | None]]]] = defaultdict(set)
        self._poller: asyncio.Task[None] | None = None
        self._bell = asyncio.Event()

    async def until(self, job_id: str, condition: Condition, *, timeout_seconds: float) -> Head | None:
        """Wait until the job's head meets the condition. None when the job is gone; TimeoutError in the end."""
        entry = (condition, asyncio.get_running_loop().create_future())
        self._listeners[job_id].add(entry)
        self._start()
        if self._hears_wakes:
            self._bell.set()  # one that came before this listener was not kept
        try:
            return await asyncio.wait_for(entry[1], timeout_seconds)
        finally:
            self._listeners[job_id].discard(entry)
            if not self._listeners[job_id]:
                del self._listeners[job_id]

    async def close(self) -> None:
        """Leave the channel and stop polling."""
        for task in (self._subscribed, self._poller):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    @property
    def _hears_wakes(self) -> bool:
        return self._subscriber is not None and self._subscriber.is_on

    def _start(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        if self._subscriber is not None and self._subscribed is None:
            self._subscribed = asyncio.create_task(self._subscriber.listen(self._ring))

    def _ring(self, job_id: str | None) -> None:
        if job_id is None or job_id in self._listeners:
            self._bell.set()

    async def _poll(self) -> None:
        while self._listeners:
            self._bell.clear()
            try:
                await self._wake(self._heads())
            except DATABASE_DOWN as error:  # listeners wait on, or time out; the next round tries again
                log.warning("the watcher cannot read the database", error=str(error))
            await self._pause()

    async def _pause(self) -> None:
        """Until the bell rings, or it is time anyway."""
        await asyncio.sleep(LEAST_SECONDS)
        longest = FALLBACK_SECONDS if self._hears_wakes else POLL_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(longest - LEAST_SECONDS):
                await self._bell.wait()

    def _heads(self) -> dict[str, Head]:
        with self._database.reading() as session:
            heads = JobRepository(session).heads(list(self._listeners))
        return {id: Head(revision, seq, JobState(state)) for id, (revision, seq, state) in heads.items()}

    async def _wake(self, heads: dict[str, Head]) -> None:
        due = []
        for job_id, entries in self._listeners.items():
            head = heads.get(job_id)
            due += [(future, head) for condition, future in entries if head is None or condition(head)]
        for number, (future, head) in enumerate(due, 1):
            if not future.done():
                future.set_result(head)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
