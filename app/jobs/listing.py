"""Pages of jobs read as plain rows, in one statement: which ones, and in what order."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, exists, select

from app.db.tables import JobTable, JobTagTable
from app.jobs.rows import names, tags_of
from app.jobs.schemas import JobHead

_JOB, _TAG = JobTable.__table__.c, JobTagTable.__table__.c
_COLUMNS = [_JOB[name] for name in JobHead.model_fields if name not in ("tags", "links")]


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list; empty lists do not restrict."""

    kinds: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    parent_id: str | None = None
    owner: str | None = None  #: None is everybody's


class _Shape(NamedTuple):
    """What a statement looks like, whatever its values are."""

    dialect: str
    of_owner: bool
    of_parent: bool
    of_kinds: bool
    in_states: bool
    tags: int
    is_first: bool


def page(connection: Connection, wanted: JobFilter, *, limit: int, before: str | None) -> list[JobHead]:
    """Jobs, newest first, older than the id `before`; without their specs and results."""
    shape = _Shape(
        dialect=connection.dialect.name,
        of_owner=wanted.owner is not None,
        of_parent=wanted.parent_id is not None,
        of_kinds=bool(wanted.kinds),
        in_states=bool(wanted.states),
        tags=len(wanted.tags),
        is_first=before is None,
    )
    tags = {f"tag_{number}": tag for number, tag in enumerate(wanted.tags)}
    found = connection.execute(_statement(shape), {**vars(wanted), **tags, "before": before, "limit": limit})
    return [JobHead.of_facts({**row._mapping, "tags": names(row.tags)}) for row in found]


@cache  # to put one together takes longer than to carry it out
def _statement(shape: _Shape) -> Select[Any]:
    # The same id, but of the table that is read first: its index has the order, and nothing is sorted.
    id = _TAG.job_id if shape.tags else _JOB.id
    columns = *_COLUMNS, tags_of(shape.dialect)
    statement = _with_tags(_restricted(select(*columns), shape), shape.tags)
    if not shape.is_first:
        statement = statement.where(id < bindparam("before"))
    elif shape.tags:  # bounds nothing; but SQLite begins with the jobs, and sorts those with the tag, without
        statement = statement.where(id > "")
    return statement.order_by(id.desc()).limit(bindparam("limit"))


def _restricted(statement: Select[Any], shape: _Shape) -> Select[Any]:
    of_parent = _JOB.parent_id == bindparam("parent_id")
    statement = statement.where(of_parent if shape.of_parent else _JOB.parent_id.is_(None))  # children only with theirs
    if shape.of_owner:
        statement = statement.where(_JOB.owner == bindparam("owner"))
    if shape.of_kinds:
        statement = statement.where(_JOB.kind.in_(bindparam("kinds", expanding=True)))
    if shape.in_states:
        statement = statement.where(_JOB.state.in_(bindparam("states", expanding=True)))
    return statement


def _with_tags(statement: Select[Any], count: int) -> Select[Any]:
    if count == 0:
        return statement
    first, other = JobTagTable.__table__, JobTagTable.__table__.alias()
    statement = statement.join(first, _TAG.job_id == _JOB.id).where(_TAG.tag == bindparam("tag_0"))
    for number in range(1, count):
        wanted = other.c.job_id == _JOB.id, other.c.tag == bindparam(f"tag_{number}")
        statement = statement.where(exists().where(*wanted))
    return statement
