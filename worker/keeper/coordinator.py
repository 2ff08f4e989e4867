"""Advances plans: makes the jobs that are due, shows how far they have come, and has the report made at the end.

Only the elected keeper does this, with the plan's row locked; what is to be done follows from the rows alone, so a
keeper that dies in the middle leaves nothing that the next one would do twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.datasets.facts import built_in_by_id, of_row
from app.db.session import DATABASE_DOWN, Database
from app.db.tables import DatasetTable, JobTable
from app.domain.lifecycle import JobState, Verb
from app.domain.plans import Step, plan_of
from app.domain.specs import PLAN_KINDS, parse_plan_spec
from app.jobs.family import Family, is_plan
from app.jobs.repository import JobRepository, NewEvent
from app.queue import Queue
from worker.keeper.proposing import propose
from worker.keeper.report_desk import ReportDesk

log = structlog.get_logger()

ACTIVE = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING)
STOPPING = {JobState.PAUSING: (Verb.PAUSE, JobState.PAUSED), JobState.CANCELLING: (Verb.CANCEL, JobState.CANCELLED)}
TOLD = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)

ALL_PAUSED = "All jobs that are left are paused, so the plan is, too; resume goes on with all of them."

Standing = Mapping[str, tuple[str, JobState, float]]


@dataclass(slots=True)
class Known:
    """What is remembered of a plan between two looks; without it, it is found out again."""

    states: dict[str, JobState] = field(default_factory=dict)  #: of its children, as told in its history
    step: Step | None = None  #: what follows from those


class Coordinator:
    """Looks at every plan under way, each in a transaction of its own."""

    def __init__(self, database: Database, store: ArtifactStore, settings: Settings, *, queue: Queue) -> None:
        self._database = database
        self._queue = queue
        self._reports = ReportDesk(database, store, settings)
        self._known: dict[str, Known] = {}

    def advance(self) -> None:
        """One round; never waits."""
        self._reports.look()
        with self._database.reading() as session:
            wanted = select(JobTable.id).where(JobTable.kind.in_(PLAN_KINDS), JobTable.state.in_(ACTIVE))
            ids = list(session.scalars(wanted.order_by(JobTable.id)))
        self._known = {id: self._known[id] for id in ids if id in self._known}
        for id in ids:
            self._look_at(id)

    def stop(self) -> None:
        """Give up a report under way, for another keeper to make."""
        self._reports.stop()
        self._known.clear()

    def _look_at(self, id: str) -> None:
        """One plan that cannot be advanced must not keep the others from it, nor stay for ever."""
        try:
            made = self._advance(id)
        except DATABASE_DOWN:
            self._known.pop(id, None)  # it may hold what was not committed
            raise
        except Exception as error:
            log.exception("a plan cannot be advanced", job_id=id)
            self._known.pop(id, None)
            self._reports.fail(id, internal_error(error))
            return
        all(map(self._queue.hint, made))  # the first that is refused ends it; the sweeper sends them again

    def _advance(self, id: str) -> list[str]:
        """The ids of the jobs that were made."""
        with self._database.transaction() as session:
            jobs = JobRepository(session)
            job = jobs.lock(id)
            if job is None or job.state not in ACTIVE:
                return []
            if job.state == JobState.QUEUED:
                job.state = JobState.RUNNING
                jobs.note_start(job)
            family = Family(session, job)
            if job.state in STOPPING:
                return self._stop(jobs, job, family)
            known = self._known.get(id) or _recalled(jobs, job)
            standing = family.standing()
            if tell_of_children(jobs, job, known, standing) or known.step is None:
                known.step = _next_step(job, family)
            step = known.step
            _show(jobs, job, standing, total=step.total)
            if step.new:
                known.step = None  # it has been taken
            made = _make(session, job, family, step)
            if step.is_over:
                self._reports.want(jobs, job)
            elif not step.new and _rests(standing):
                jobs.append(job, [NewEvent("log", {"level": "warning", "message": ALL_PAUSED})])
                jobs.move(job, JobState.PAUSING)
        self._known[id] = known
        return made

    def _stop(self, jobs: JobRepository, job: JobTable, family: Family) -> list[str]:
        """Pause or cancel what is under way; once it all rests, so does the plan."""
        verb, to = STOPPING[JobState(job.state)]
        family.ask(verb)
        if all(state.ended or state is to for _, state, _ in family.standing().values()):
            jobs.move(job, to)
            self._reports.drop(job.id)
        return []


def _rests(standing: Standing) -> bool:
    """Whether all that is left was put aside by itself: by hand, or at a time limit."""
    left = [state for _, state, _ in standing.values() if not state.ended]
    return bool(left) and all(state is JobState.PAUSED for state in left)


def tell_of_children(jobs: JobRepository, job: JobTable, known: Known, standing: Standing) -> bool:
    """Write what has become of the children into the plan's history; whether there was anything."""
    changed = {
        key: (id, state)
        for key, (id, state, _) in standing.items()
        if state in TOLD and known.states.get(key) is not state
    }
    events = [
        NewEvent("child", {"key": key, "id": id, "job_id": id, "state": state.value})
        for key, (id, state) in changed.items()
    ]
    if job.phase is None:
        job.phase = "training"
        events.insert(0, NewEvent("phase", {"phase": "training"}))
    if events:
        jobs.append(job, events)
    known.states |= {key: state for key, (_, state) in changed.items()}
    return bool(changed)


def _make(session: Session, job: JobTable, family: Family, step: Step) -> list[str]:
    """Make the jobs that are due; the ids of those that wait for a worker."""
    if not step.new:
        return []
    dataset = built_in_by_id().get(job.dataset_id) or of_row(session.get_one(DatasetTable, job.dataset_id))
    made = [family.make(new, dataset) for new in step.new]
    return [child.id for child in made if child.state == JobState.QUEUED and not is_plan(child)]


def _recalled(jobs: JobRepository, job: JobTable) -> Known:
    """What an earlier keeper has told of the children."""
    entries = jobs.entries(job.id, types=["child"])
    return Known({entry.data["key"]: JobState(entry.data["state"]) for entry in entries})


def _next_step(job: JobTable, family: Family) -> Step:
    return plan_of(parse_plan_spec(job.spec)).advance(job.resolved, family.children(), propose)


def _show(jobs: JobRepository, job: JobTable, standing: Standing, *, total: int) -> None:
    """How far the plan has come, for lists and bars."""
    ended = sum(state.ended for _, state, _ in standing.values())
    share = sum(fraction for _, _, fraction in standing.values()) / max(total, len(standing), 1)
    progress = {"step": ended, "steps": total, "fraction": round(share, 4)}
    if job.progress != progress:
        job.progress = progress
        jobs.append(job, [])


def internal_error(error: Exception) -> dict[str, Any]:
    """What the job says of a mistake of ours."""
    return {
        "code": "internal_error",
        "title": "The plan met an error",
        "detail": f"The keeper met an error it did not foresee: {type(error).__name__}.",
        "hint": "See the keeper's log and report it.",
        "retryable": False,
    }
