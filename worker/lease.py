"""Keeps a lease while a job is worked on, and learns from it whether the job is to stop."""

import threading
import time
from contextvars import copy_context

import structlog

from app.config import Settings
from app.db.session import DATABASE_DOWN, Database
from app.domain.lifecycle import JobState
from app.jobs.claims import Claims, Lease, LeaseLost

log = structlog.get_logger()

STATE_CHECK_SECONDS = 0.5


class LeaseKeeper:
    """A thread that renews the lease whatever the supervisor waits for: a slow store must not cost the job."""

    def __init__(self, *, database: Database, lease: Lease, settings: Settings) -> None:
        self._database = database
        self._lease = lease
        self._settings = settings
        self._over = threading.Event()
        # In the same context, so that its log lines name the job.
        self._thread = threading.Thread(target=copy_context().run, args=(self._loop,), name="lease", daemon=True)
        self._state = JobState.RUNNING
        self._lost = False
        self._heard = time.monotonic()

    def __enter__(self) -> "LeaseKeeper":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; the lease then runs out by itself unless the job has ended."""
        self._over.set()
        self._thread.join()

    def state(self) -> JobState:
        """The job's state as last heard; raises LeaseLost once another worker has it."""
        if self._lost:
            raise LeaseLost(self._lease.job_id)
        return self._state

    def silence_seconds(self) -> float:
        """How long the database has not answered."""
        return time.monotonic() - self._heard

    def _loop(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(min(STATE_CHECK_SECONDS, self._settings.heartbeat_seconds)):
            is_due = time.monotonic() - renewed >= self._settings.heartbeat_seconds
            try:
                self._state = self._ask(renew=is_due)
            except LeaseLost:
                self._lost = True
                return
            except DATABASE_DOWN as error:
                log.warning("the database does not answer; training on", error=str(error))
                continue
            self._heard = time.monotonic()
            renewed = self._heard if is_due else renewed

    def _ask(self, *, renew: bool) -> JobState:
        using = self._database.transaction if renew else self._database.reading
        with using() as session:
            claims = Claims(session, lease=self._settings.lease)
            return claims.renew(self._lease) if renew else claims.look(self._lease)
