"""Works jobs off, one at a time: claim, see it through, claim again until nothing is left."""

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext

import structlog

from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.db.session import Database
from app.db.tables import JobTable
from app.disk import free_bytes
from app.jobs.claims import Claimant, Claims, LeaseLost
from worker.attempt import Attempt

log = structlog.get_logger()


@dataclass(frozen=True)
class Worker:
    """Who claims: its name, `host:index`, and the devices it trains on."""

    name: str
    devices: tuple[str, ...]

    @property
    def claimant(self) -> Claimant:
        """What a job needs to know of it."""
        return Claimant(self.name, self.devices[0].partition(":")[0], len(self.devices))


@dataclass(frozen=True)
class Runner:
    """A worker with all it works with."""

    settings: Settings
    database: Database
    store: ArtifactStore
    worker: Worker
    processes: ForkServerContext
    stopping: Callable[[], bool]

    def drain(self) -> None:
        """Work until nothing is left to claim, or the worker is to stop."""
        while not self.stopping() and self._has_room():
            job = self._claim()
            if job is None:
                return
            with structlog.contextvars.bound_contextvars(job_id=job.id, fence=job.fence):
                self._see_through(job)

    def _has_room(self) -> bool:
        """Whether a job could keep what it makes; without, it waits in the queue, and the keeper asks again."""
        free = free_bytes(self.settings.folder("checkpoints"))
        if free < self.settings.disk_floor_bytes:
            log.warning("too little room on the disk; nothing is claimed", free_bytes=free)
            return False
        return True

    def _claim(self) -> JobTable | None:
        with self.database.transaction() as session:
            claims = Claims(session, lease=self.settings.lease)
            return claims.claim(self.worker.claimant, most_per_owner=self.settings.max_running_per_owner)

    def _see_through(self, job: JobTable) -> None:
        log.info("job claimed", attempt=job.attempts)
        attempt = Attempt(self, job)
        try:
            attempt.work()
        except LeaseLost:
            log.warning("lease lost; another worker has the job")
        except Exception as error:
            # Whatever it was, the job must not wait for its lease to run out, nor the next one for this one.
            log.exception("the attempt broke off")
            attempt.break_off(error)
        finally:
            attempt.clean_up()
