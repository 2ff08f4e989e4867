"""Single jobs read as plain rows, for the request that is made most: no objects, and few statements."""

from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, literal, select, union_all

from app.callers import Caller
from app.db.tables import ArtifactTable, JobTable, JobTagTable
from app.errors import not_found
from app.ids import is_id
from app.jobs.schemas import JobOut

# Made once: to put one together takes longer than to carry it out.
_ID: Any = bindparam("id")
_JOB = JobTable.__table__
_COLUMNS = (*(JobOut.model_fields.keys() - {"tags", "links"}), "revision")
_WHOLE = select(*(_JOB.c[name] for name in _COLUMNS)).where(_JOB.c.id == _ID)
_REVISION = select(_JOB.c.revision).where(_JOB.c.id == _ID)
_ONLY: Any = _JOB.c.owner == bindparam("only")
_OWN_WHOLE, _OWN_REVISION = _WHOLE.where(_ONLY), _REVISION.where(_ONLY)  # for who sees one owner's alone
_NAMES = union_all(
    select(literal("tag").label("kind"), JobTagTable.tag.label("name")).where(JobTagTable.job_id == _ID),
    select(literal("file"), ArtifactTable.name).where(ArtifactTable.job_id == _ID),
)


def revision(connection: Connection, id: str, caller: Caller) -> int:
    """What the job's ETag is made of. Raises NotFound."""
    statement = _REVISION if caller.only is None else _OWN_REVISION
    return int(_row(connection, id, statement, caller).revision)


def whole(connection: Connection, id: str, caller: Caller) -> tuple[JobOut, int]:
    """A job as it is sent, and its revision. Raises NotFound."""
    facts = _row(connection, id, _WHOLE if caller.only is None else _OWN_WHOLE, caller)._asdict()
    number = facts.pop("revision")
    names = sorted((kind, name) for kind, name in connection.execute(_NAMES, {"id": id}))
    facts["tags"] = [name for kind, name in names if kind == "tag"]
    return JobOut.of_facts(facts, plots=[name for kind, name in names if kind == "file"]), number


def _row(connection: Connection, id: str, statement: Select[Any], caller: Caller) -> Row[Any]:
    named = {"id": id} if caller.only is None else {"id": id, "only": caller.only}
    row = connection.execute(statement, named).one_or_none() if is_id(id, "job") else None
    if row is None:
        raise not_found("job", id)
    return row
