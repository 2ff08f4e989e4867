"""Single jobs read as plain rows, for the request that is made most: no objects, and one statement."""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, bindparam, cast, func, select

from app.callers import Caller
from app.db.tables import ArtifactTable, JobTable, JobTagTable
from app.errors import not_found
from app.ids import is_id
from app.jobs.schemas import JobOut

# Made once: to put one together takes longer than to carry it out.
_ID: Any = bindparam("id")
_JOB = JobTable.__table__
_COLUMNS = (*(JobOut.model_fields.keys() - {"tags", "links"}), "revision")


def _whole_with(listed: Callable[[Any], Any]) -> Select[Any]:
    """The job with its tags and files, each as JSON in the words of one database."""
    tags = select(listed(JobTagTable.tag)).where(JobTagTable.job_id == _JOB.c.id).scalar_subquery()
    files = select(listed(ArtifactTable.name)).where(ArtifactTable.job_id == _JOB.c.id).scalar_subquery()
    columns = (*(_JOB.c[name] for name in _COLUMNS), cast(tags, Text).label("tags"), cast(files, Text).label("files"))
    return select(*columns).where(_JOB.c.id == _ID)


def _with_own(statement: Select[Any]) -> tuple[Select[Any], Select[Any]]:
    """For who sees everybody's jobs, and for who sees one owner's alone."""
    return statement, statement.where(_JOB.c.owner == bindparam("only"))


_REVISION = _with_own(select(_JOB.c.revision).where(_JOB.c.id == _ID))
_WHOLE = {
    "sqlite": _with_own(_whole_with(func.json_group_array)),
    "postgresql": _with_own(_whole_with(func.json_agg)),
}


def revision(connection: Connection, id: str, caller: Caller) -> int:
    """What the job's ETag is made of. Raises NotFound."""
    return int(_row(connection, id, _REVISION, caller).revision)


def whole(connection: Connection, id: str, caller: Caller) -> tuple[JobOut, int]:
    """A job as it is sent, and its revision. Raises NotFound."""
    facts = _row(connection, id, _WHOLE[connection.dialect.name], caller)._asdict()
    number, files = facts.pop("revision"), _names(facts.pop("files"))
    return JobOut.of_facts(facts | {"tags": _names(facts["tags"])}, plots=files), number


def _names(text: str | None) -> list[str]:
    return sorted(json.loads(text)) if text else []


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
