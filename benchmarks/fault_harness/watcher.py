"""Reads the rows of all jobs again and again, beside the service, so that nothing they went through goes unseen."""

import threading

from sqlalchemy import select

from app.db.session import DATABASE_DOWN, Database
from app.db.tables import JobTable
from benchmarks.fault_harness.recording import HELD, Sample

EVERY_SECONDS = 0.2
FIRST_WORDS = 4  #: events of an attempt before its first steps: it runs, its phases begin


class Watcher:
    """A thread that notes each change of a row it sees."""

    def __init__(self, database_url: str) -> None:
        self.samples: list[Sample] = []
        self._latest: dict[str, Sample] = {}
        self._claimed: dict[tuple[str, int], int] = {}  #: the newest seq when a job was first seen under a fence
        self._database = Database(database_url)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="watch rows", daemon=True)

    def __enter__(self) -> "Watcher":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, and let go of the database."""
        self._over.set()
        self._thread.join()
        self._database.dispose()

    def held(self, worker: str | None = None) -> dict[str, int]:
        """The fences of the jobs that a worker has, or any, as last seen."""
        samples = list(self._latest.values())
        return {
            sample.job_id: sample.fence
            for sample in samples
            if sample.state in HELD and (worker is None or sample.worker == worker)
        }

    def is_training(self, worker: str) -> bool:
        """Whether a worker's present attempt has come to train, and further than the one before it."""
        return any(
            self._latest[id].crashes == 0 and self._latest[id].last_seq - self._claimed[id, fence] >= FIRST_WORDS
            for id, fence in self.held(worker).items()
        )

    def _loop(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            try:
                self._look()
            except DATABASE_DOWN:
                continue  # it is one of the faults

    def _look(self) -> None:
        job = JobTable
        columns = select(job.id, job.state, job.fence, job.last_seq, job.worker, job.crashes)
        with self._database.reading() as session:
            rows = [Sample(*row) for row in session.execute(columns)]
        changed = [sample for sample in rows if self._latest.get(sample.job_id) != sample]
        for sample in changed:
            self._claimed.setdefault((sample.job_id, sample.fence), sample.last_seq)
        self.samples += changed
        self._latest |= {sample.job_id: sample for sample in changed}
