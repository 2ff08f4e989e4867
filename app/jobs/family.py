"""A plan's children in the database, within the caller's transaction: made once, steered and deleted with it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from app.datasets.facts import DatasetFacts
from app.db.tables import JobTable
from app.db.types import database_now
from app.domain.lifecycle import ENDED, JobState, Verb, after_verb
from app.domain.plans import Child, NewChild
from app.domain.plans.family import COMPUTATION
from app.domain.specs import PLAN_KINDS
from app.ids import new_id
from app.jobs.estimate import settled
from app.jobs.fingerprint import fingerprint
from app.jobs.repository import JobRepository, NewEvent, begin_again

INHERITED = (
    "owner", "priority", "device", "dataset_id", "max_attempts", "max_runtime_seconds", "on_time_limit",
)  # fmt: skip


def is_plan(job: JobTable) -> bool:
    """Whether it is made of other jobs."""
    return job.kind in PLAN_KINDS


class Family:
    """The children of one plan."""

    def __init__(self, session: Session, parent: JobTable) -> None:
        self._session = session
        self._jobs = JobRepository(session)
        self._parent = parent

    def standing(self) -> dict[str, tuple[str, JobState, float]]:
        """Id, state and how far each has come, by its place in the plan."""
        columns = select(JobTable.child_key, JobTable.id, JobTable.state, JobTable.progress).where(self._mine)
        return {
            key: (id, JobState(state), 1.0 if JobState(state).ended else progress.get("fraction", 0.0))
            for key, id, state, progress in self._session.execute(columns)
        }

    def children(self) -> dict[str, Child]:
        """All of them, as the plan sees them."""
        facts = JobTable.child_key, JobTable.id, JobTable.state, JobTable.spec, JobTable.resolved, JobTable.result
        rows = self._session.execute(select(*facts, worked_seconds()).where(self._mine))
        return {
            key: Child(key, id, JobState(state), spec, resolved, result, seconds)
            for key, id, state, spec, resolved, result, seconds in rows
        }

    def rows(self) -> list[JobTable]:
        """All of them, whole, in the order in which they were made."""
        return list(self._session.scalars(select(JobTable).where(self._mine).order_by(JobTable.id)))

    def descendants(self) -> list[JobTable]:
        """All of them, and theirs."""
        mine = self.rows()
        return mine + [row for one in mine if is_plan(one) for row in Family(self._session, one).descendants()]

    def make(self, new: NewChild, dataset: DatasetFacts) -> JobTable:
        """Put one into the queue; or, where an ended job's result will do, make it as one that has ended with that."""
        mark = fingerprint(new.spec, dataset)
        child = JobTable(
            id=new_id("job"),
            kind=new.spec.kind,
            name=new.key,
            state=JobState.QUEUED,
            spec=new.spec.model_dump(mode="json"),
            resolved={**settled(new.spec, dataset), **new.settled},
            devices=new.spec.devices,
            parent_id=self._parent.id,
            child_key=new.key,
            fingerprint=mark,
            created_at=datetime.now(UTC),
            hinted_at=database_now(),
            **{name: getattr(self._parent, name) for name in INHERITED},
        )
        origin = self._same(mark) if new.reuse and mark is not None else None
        if origin is None:
            self._jobs.add(child)
        else:
            self._take_over(child, origin)
        return child

    def _same(self, mark: str) -> JobTable | None:
        """The newest job of this owner that ran just this, and did so itself."""
        ran = JobTable.fingerprint == mark, JobTable.owner == self._parent.owner, JobTable.worker.is_not(None)
        wanted = select(JobTable).where(*ran, JobTable.state == JobState.SUCCEEDED)
        return self._session.scalars(wanted.order_by(JobTable.id.desc()).limit(1)).one_or_none()

    def _take_over(self, child: JobTable, origin: JobTable) -> None:
        child.state, child.source_id = JobState.SUCCEEDED, origin.id
        child.result = origin.result
        told = f"Takes over the result of {origin.id}, which ran the same spec on the same data with this version."
        reused = {"value": origin.id, "origin": "reuse", "reason": told}
        ran = {name: origin.resolved[name] for name in COMPUTATION if name in origin.resolved}
        child.resolved = origin.resolved | child.resolved | ran | {"reused": reused}  # whatever was asked of the child
        child.progress = {"fraction": 1.0}
        child.started_at = child.finished_at = child.created_at
        self._session.add(child)
        self._session.flush()
        ended = {"state": child.state, "previous": None}
        self._jobs.append(child, [NewEvent("log", {"level": "info", "message": told}), NewEvent("state", ended)])

    def ask(self, verb: Verb) -> None:
        """Cancel, pause or resume what can be, and what they are made of."""
        unfinished = JobTable.state.not_in([state.value for state in ENDED])
        wanted = select(JobTable).where(self._mine, unfinished).order_by(JobTable.id).with_for_update(of=JobTable)
        for child in self._session.scalars(wanted.execution_options(populate_existing=True)).all():
            to = after_verb(verb, JobState(child.state))
            if to is not None and to != child.state:
                self._jobs.move(child, to)
                if verb is Verb.RESUME:
                    begin_again(child, self._session)
            if is_plan(child):
                ask_children(self._session, child, verb)

    @property
    def _mine(self) -> ColumnElement[bool]:
        return JobTable.parent_id == self._parent.id


def ask_children(session: Session, plan: JobTable, verb: Verb) -> None:
    """What is asked of a plan is asked of its jobs; one that has any goes on as one that runs already."""
    family = Family(session, plan)
    family.ask(verb)
    if verb is Verb.RESUME and plan.state == JobState.QUEUED and family.standing():
        plan.state = JobState.RUNNING
        JobRepository(session).note_start(plan)


def worked_seconds() -> ColumnElement[float]:
    """How long workers have had each job that is selected, and its own jobs."""
    child = aliased(JobTable)
    theirs = select(func.coalesce(func.sum(child.worked_seconds), 0.0)).where(child.parent_id == JobTable.id)
    return JobTable.worked_seconds + theirs.correlate(JobTable).scalar_subquery()


def needing_plans(session: Session, jobs: Sequence[JobTable]) -> list[JobTable]:
    """The plans that any of these is part of, its own and those that have taken over its result."""
    mine = [job.id for job in jobs]
    took_over = select(JobTable.parent_id).where(JobTable.source_id.in_(mine), JobTable.child_key.is_not(None))
    ids = {*(job.parent_id for job in jobs), *session.scalars(took_over)} - {None}
    return list(session.scalars(select(JobTable).where(JobTable.id.in_(ids)))) if ids else []
