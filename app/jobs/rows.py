"""Jobs read as plain rows, for the requests that are made most: no objects, and one statement."""

import json
from typing import Any

from sqlalchemy import Cast, Connection, Label, Row, Select, Text, bindparam, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from app.callers import Caller
from app.db.tables import ArtifactTable, JobTable, JobTagTable
from app.errors import not_found
from app.ids import is_id
from app.jobs.schemas import JobOut

Column = InstrumentedAttribute[str]

# Made once: to put one together takes longer than to carry it out.
_ID: Any = bindparam("id")
_JOB = JobTable.__table__
_COLUMNS = (*(JobOut.model_fields.keys() - {"tags", "links"}), "revision")


def tags_of(dialect: str) -> Label[str]:
    """The tags of the job in the same row, to be read by `names`."""
    return _listed(JobTagTable.tag, JobTagTable.job_id, dialect).label("tags")


def names(text: str | None) -> list[str]:
    """What was listed in one column, sorted."""
    return sorted(json.loads(text)) if text else []


def _listed(column: Column, job_id: Column, dialect: str) -> Cast[str]:
    """A column of all rows that belong to a job, as JSON in the words of a database."""
    gather = func.json_agg if dialect == "postgresql" else func.json_group_array
    listed = select(gather(column)).where(job_id == _JOB.c.id).correlate(_JOB)
    return cast(listed.scalar_subquery(), Text)


def _whole(dialect: str) -> Select[Any]:
    """The job with its tags and the names of its files."""
    files = _listed(ArtifactTable.name, ArtifactTable.job_id, dialect).label("files")
    return select(*(_JOB.c[name] for name in _COLUMNS), tags_of(dialect), files).where(_JOB.c.id == _ID)


def _with_own(statement: Select[Any]) -> tuple[Select[Any], Select[Any]]:
    """For who sees everybody's jobs, and for who sees one owner's alone."""
    return statement, statement.where(_JOB.c.owner == bindparam("only"))


_REVISION = _with_own(select(_JOB.c.revision).where(_JOB.c.id == _ID))
_WHOLE = {dialect: _with_own(_whole(dialect)) for dialect in ("sqlite", "postgresql")}


def revision(connection: Connection, id: str, caller: Caller) -> int:
    """What the job's ETag is made of. Raises NotFound."""
    return int(_row(connection, id, _REVISION, caller).revision)


def whole(connection: Connection, id: str, caller: Caller) -> tuple[JobOut, int]:
    """A job as it is sent, and its revision. Raises NotFound."""
    facts = _row(connection, id, _WHOLE[connection.dialect.name], caller)._asdict()
    number, files = facts.pop("revision"), names(facts.pop("files"))
    return JobOut.of_facts(facts | {"tags": names(facts["tags"])}, plots=files), number


def _row(connection: Connection, id: str, statements: tuple[Select[Any], Select[Any]], caller: Caller) -> Row[Any]:
    everybodys, own = statements
    if not is_id(id, "job"):
        raise not_found("job", id)
    if caller.only is None:
        row = connection.execute(everybodys, {"id": id}).one_or_none()
    else:
        row = connection.execute(own, {"id": id, "only": caller.only}).one_or_none()
    if row is None:
        raise not_found("job", id)
    return row
