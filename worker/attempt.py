"""One attempt at a job, from the claim to its end: supervise the training process, report, store, finish."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from obstore.exceptions import BaseError

from app.artifacts.store import StoreUnavailable
from app.config import Settings
from app.db.session import DATABASE_DOWN
from app.db.tables import JobTable, ModelFileTable, ModelTable
from app.disk import is_full
from app.domain.lifecycle import JobState
from app.ids import new_id
from app.jobs.claims import Claims, Lease, LeaseLost
from worker.assignments import CannotStart, make_assignment
from worker.checkpoints import prefix_of
from worker.engine.events import Stop
from worker.group import Training, start_training
from worker.lease import LeaseKeeper
from worker.messages import Ending, Failed, FileMade, Finished, Happened, Message, ModelMade, Settled, StoppedEarly
from worker.reporter import Reporter, plain
from worker.storing import put_patiently
from worker.supervision import describe_exit, kills_for_memory
from worker.time_limit import TimeLimit

if TYPE_CHECKING:
    from worker.runner import Runner

log = structlog.get_logger()

TICK_SECONDS = 0.1
STOPPING_PATIENCE = 0.35  #: of the usual escalation: a worker must be gone within 10 s of SIGTERM
LONGEST_OUTAGE_SECONDS = 15 * 60
#: For the last checkpoint to reach the storage, before another host may go on; the shorter while this worker stops.
COPYING_PATIENCE = {False: timedelta(seconds=60), True: timedelta(seconds=3)}


class Attempt:
    """One claim of one job."""

    def __init__(self, runner: "Runner", job: JobTable) -> None:
        self._runner = runner
        self._settings = runner.settings
        self._job = job
        self._lease = Lease(job.id, job.fence)
        parts: dict[str, Any] = {"database": runner.database, "settings": runner.settings, "lease": self._lease}
        self._reporter = Reporter(**parts, store=runner.store)
        self._keeper = LeaseKeeper(**parts)
        self._ending: Ending | None = None
        self._limit = TimeLimit.of(job)
        self._timed_out = False
        self._kills_before = kills_for_memory()
        self._model_id = new_id("mdl")

    def work(self) -> None:
        """From the claim to the end of this attempt."""
        with self._keeper:
            try:
                assignment = make_assignment(self._runner, self._job)
            except CannotStart as reason:
                self._end(reason.failure)
                return
            devices = self._runner.worker.devices[: self._job.devices]
            process = start_training(self._runner.processes, assignment, devices=devices)
            try:
                self._supervise(process)
            except BaseException:
                process.kill()
                process.join()
                raise
            exit_code = process.join()
            if self._may_be_followed():
                self._reporter.await_copies(lambda: COPYING_PATIENCE[self._runner.stopping()])
            self._patiently(lambda: self._end(self._ending, exit_code=exit_code))

    def _supervise(self, process: Training) -> None:
        while process.is_open:
            for message in process.messages(timeout_seconds=TICK_SECONDS):
                self._take(message)
            self._commit_when_due()
            stop = self._wanted_stop()
            if stop is not None:
                process.ask(stop)
            process.escalate(patience=STOPPING_PATIENCE if self._runner.stopping() else 1.0)

    def _wanted_stop(self) -> Stop | None:
        """Why the training is to stop now, if it is."""
        state = self._keeper.state()
        self._timed_out |= state is JobState.RUNNING and self._limit.is_over()
        if state is JobState.CANCELLING or (self._timed_out and self._limit.fails):
            return Stop.CANCEL
        is_aside = state is JobState.PAUSING or self._timed_out
        is_cut_off = self._keeper.silence_seconds() > LONGEST_OUTAGE_SECONDS
        return Stop.YIELD if is_aside or is_cut_off or self._runner.stopping() else None

    def _take(self, message: Message) -> None:
        if isinstance(message, Happened | Settled | FileMade):
            self._reporter.take(message)
        else:
            self._ending = message

    def _may_be_followed(self) -> bool:
        """Whether another attempt may go on from where this one stopped."""
        if isinstance(self._ending, Finished | Failed) or self._ending == StoppedEarly(Stop.CANCEL):
            return False
        return self._keeper.state() is not JobState.CANCELLING

    def _commit_when_due(self) -> None:
        """While the database is down the training goes on, and what it says is kept."""
        if not self._reporter.is_due():
            return
        try:
            self._reporter.commit()
        except DATABASE_DOWN as error:
            self._reporter.postpone()
            log.warning("the database does not take the history; training on", error=str(error))

    def _patiently(self, write: Callable[[], None]) -> None:
        """Write the end even if the database is away for a while; past that the sweeper finds the job."""
        while True:
            try:
                return write()
            except DATABASE_DOWN as error:
                if self._keeper.silence_seconds() > LONGEST_OUTAGE_SECONDS or self._runner.stopping():
                    raise
                log.warning("the database does not answer; the end of the job waits", error=str(error))
                time.sleep(self._settings.heartbeat_seconds)

    def _end(self, ending: Ending | None, *, exit_code: int = 0) -> None:
        match ending:
            case Finished():
                self._succeed(ending)
            case Failed(retryable=True):
                self._lose(asdict(ending))
            case Failed():
                self._finish(JobState.FAILED, self._error(asdict(ending), retryable=False))
            case _ if self._timed_out:  # it stopped, or had to be killed, because of that
                self._reporter.commit_with(self._end_at_limit)
            case StoppedEarly(reason=Stop.CANCEL):
                self._finish(JobState.CANCELLED, None)
            case None if not self._runner.stopping():
                self._lose(describe_exit(exit_code, for_memory=kills_for_memory() > self._kills_before))
            case _:  # asked to yield, or killed because the worker had to stop
                self._reporter.commit_with(lambda claims: claims.give_back(self._lease))
        log.info("attempt ended", ending=type(ending).__name__, exit_code=exit_code)

    def _end_at_limit(self, claims: Claims) -> None:
        """Aside, or failed; a cancellation that came before wins."""
        if self._limit.fails:
            claims.finish(self._lease, JobState.FAILED, error=self._error(self._limit.error(), retryable=False))
            return
        claims.pause(self._lease, reason=self._limit.reason)
        claims.give_back(self._lease)

    def break_off(self, error: Exception) -> None:
        """Put the job back into the queue, or end it, after a failure of the worker's own.

        Without the history that waits: it may be what the database would not take.
        """
        facts = self._error(describe_failure(error), retryable=True)
        try:
            with self._runner.database.transaction() as session:
                Claims(session, lease=self._settings.lease).lose(self._lease, error=facts)
        except (LeaseLost, *DATABASE_DOWN):
            log.exception("the job is left to the sweeper")

    def _finish(self, to: JobState, error: dict[str, Any] | None) -> None:
        self._reporter.commit_with(lambda claims: claims.finish(self._lease, to, error=error))

    def _lose(self, facts: dict[str, Any]) -> None:
        error = self._error(facts, retryable=True)
        self._reporter.commit_with(lambda claims: claims.lose(self._lease, error=error))

    def _error(self, facts: dict[str, Any], *, retryable: bool) -> dict[str, Any]:
        return facts | {"retryable": retryable, "attempt": self._job.attempts}

    def _succeed(self, ending: Finished) -> None:
        model = self._store_model(ending.model) if ending.model else None
        self._reporter.commit_with(lambda claims: self._write_success(claims, ending, model))

    def _write_success(self, claims: Claims, ending: Finished, model: ModelTable | None) -> None:
        job = claims.finish(self._lease, JobState.SUCCEEDED, model_id=model.id if model else None)
        if job.state != JobState.SUCCEEDED:
            return  # cancelled at the last moment
        job.result = plain(ending.result)
        if model is not None:
            claims.session.add(model)

    def _store_model(self, made: ModelMade) -> ModelTable:
        files = []
        for file in made.files:
            key = f"models/{self._model_id}/{file.name}"
            put_patiently(self._runner.store, key, file.path)
            facts = {"size": file.size, "sha256": file.sha256, "media_type": file.media_type}
            files.append(ModelFileTable(name=file.name, key=key, **facts))
        columns = plain(made.facts) | {
            "owner": self._job.owner,
            "job_id": self._job.id,
            "created_at": datetime.now(UTC),
        }
        return ModelTable(id=self._model_id, files=files, **columns)

    def clean_up(self) -> None:
        """Remove the attempt's files, and the checkpoints once the job has ended."""
        shutil.rmtree(attempt_folder(self._settings, self._job), ignore_errors=True)
        try:
            job = self._present()
        except DATABASE_DOWN:
            return  # the keeper's collector finds what is left
        if job is None or JobState(job.state).ended:
            shutil.rmtree(self._settings.folder("checkpoints") / self._job.id, ignore_errors=True)
            if self._runner.store.is_remote:
                self._runner.store.discard_below(prefix_of(self._job.id))
        if job is None or job.model_id != self._model_id:
            # A model that came to nothing: cancelled at the last moment, or the lease was lost.
            self._runner.store.discard_below(f"models/{self._model_id}/")

    def _present(self) -> JobTable | None:
        with self._runner.database.reading() as session:
            return session.get(JobTable, self._job.id)


def attempt_folder(settings: Settings, job: JobTable) -> Path:
    """Where an attempt's files lie until they are stored; nobody else writes there."""
    return settings.folder("attempts") / job.id / str(job.fence)


def describe_failure(error: Exception) -> dict[str, str]:
    """The error for a failure of the worker, not of the training."""
    if isinstance(error, OSError) and is_full(error):
        detail, hint = "No space is left in the worker's data folder.", "Free disk space on the worker."
        return {"code": "storage_full", "title": "The worker's disk is full", "detail": detail, "hint": hint}
    if isinstance(error, StoreUnavailable):
        title = "The store does not answer"
        return {"code": "storage_unavailable", "title": title, "detail": error.detail, "hint": error.hint}
    if isinstance(error, BaseError | OSError):
        detail = f"A file could not be stored or fetched: {type(error).__name__}."
        hint = "See the worker's log, and whether the artifact store can be reached."
        return {"code": "storage_unavailable", "title": "The store does not answer", "detail": detail, "hint": hint}
    detail = f"The worker met an error it did not foresee: {type(error).__name__}."
    title = "The worker met an error"
    return {"code": "internal_error", "title": title, "detail": detail, "hint": "See the worker's log and report it."}
