"""Finds what nobody looks after: jobs whose worker fell silent, and queued jobs whose hint was lost."""

import time
from datetime import timedelta
from itertools import takewhile

import structlog

from app.config import Settings
from app.db.session import Database
from app.jobs.claims import Claims, Lease, LeaseLost
from app.jobs.hints import due_hints, note_hints
from app.queue import Queue

log = structlog.get_logger()


class Sweeper:
    """Sweeps in two passes, so that a worker which speaks up in between keeps its job."""

    def __init__(self, *, database: Database, queue: Queue, settings: Settings) -> None:
        self._database = database
        self._queue = queue
        self._settings = settings
        self._suspects: set[Lease] = set()
        self.pause()

    def pause(self) -> None:
        """Judge nobody for one lease: after a start or an outage nobody could have renewed."""
        self._suspects = set()
        self._judging_from = time.monotonic() + self._settings.lease_seconds

    def sweep(self) -> None:
        """One round."""
        self._reclaim_lost()
        self._repeat_hints()

    def _reclaim_lost(self) -> None:
        if time.monotonic() < self._judging_from:
            return
        with self._database.reading() as session:
            silent = set(Claims(session, lease=self._settings.lease).lost_leases())
        for lease in silent & self._suspects:
            self._reclaim(lease)
        self._suspects = silent - self._suspects

    def _reclaim(self, lease: Lease) -> None:
        detail = f"The worker was not heard from for {self._settings.lease_seconds:g} s."
        hint = "See the worker's log; if the machine ran out of memory, lower batch_size."
        error = {"code": "worker_lost", "title": "The worker was lost", "detail": detail, "hint": hint}
        try:
            with self._database.transaction() as session:
                claims = Claims(session, lease=self._settings.lease)
                attempt = claims.held(lease).attempts
                to = claims.reclaim(lease, error=error | {"retryable": True, "attempt": attempt})
        except LeaseLost:
            return  # it spoke up, or ended
        log.warning("job reclaimed from a silent worker", job_id=lease.job_id, fence=lease.fence, state=to)

    def _repeat_hints(self) -> None:
        base = timedelta(seconds=self._settings.sweep_seconds)
        with self._database.reading() as session:
            due = due_hints(session, base=base, recent=self._settings.lease)
        # The first that is refused ends it: a broker that is away costs a second for each.
        sent = list(takewhile(self._queue.hint, due))
        if sent:
            with self._database.transaction() as session:
                note_hints(session, sent)
