"""Uploaded and registered datasets in the database, within the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from app.datasets.quotas import Holdings
from app.db.lists import newest_first, of_owner
from app.db.tables import DatasetTable, JobTable

NOBODY = ""  #: the owner of imported sets: every caller sees them, and none has them on its account
_IMPORTED = DatasetTable.kind == "built_in"


class DatasetRepository:
    """Rows of datasets; of the built-in ones, those that were imported have one."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, row: DatasetTable) -> None:
        """Store a new one; raises IntegrityError when its name was taken in the meantime."""
        self.session.add(row)
        self.session.flush()

    def get(self, id: str, *, only: str | None = None) -> DatasetTable | None:
        """One by id, or None; with `only`, of this owner alone, or imported for all."""
        statement = select(DatasetTable).where(DatasetTable.id == id)
        if only is not None:
            statement = statement.where(or_(DatasetTable.owner == only, _IMPORTED))
        return self.session.scalars(statement).one_or_none()

    def imported(self) -> list[DatasetTable]:
        """The published sets that were imported."""
        return list(self.session.scalars(select(DatasetTable).where(_IMPORTED)))

    def by_name(self, name: str, *, owner: str) -> DatasetTable | None:
        """This owner's by name, or None."""
        statement = select(DatasetTable).where(DatasetTable.owner == owner, DatasetTable.name == name)
        return self.session.scalars(statement).one_or_none()

    def lock(self, id: str) -> DatasetTable | None:
        """One that nobody else changes or begins to use until the transaction ends."""
        statement = select(DatasetTable).where(DatasetTable.id == id).with_for_update()
        return self.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()

    def hold(self, row: DatasetTable) -> DatasetTable | None:
        """As it is now, kept from being deleted until the transaction ends; None if it is gone. Others may hold it."""
        statement = select(DatasetTable).where(DatasetTable.id == row.id).with_for_update(read=True)
        return self.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()

    def names(self, *, owner: str) -> list[str]:
        """Every name that this owner has given."""
        return list(self.session.scalars(select(DatasetTable.name).where(DatasetTable.owner == owner)))

    def page(self, *, limit: int, before: str | None, only: str | None) -> list[DatasetTable]:
        """Newest first, older than the id `before`; with `only`, of this owner alone. Without imported ones."""
        statement = of_owner(select(DatasetTable).where(~_IMPORTED), DatasetTable.owner, only)
        return list(self.session.scalars(newest_first(statement, DatasetTable.id, limit=limit, before=before)))

    def oldest_validating(self) -> DatasetTable | None:
        """The one that has waited longest to be checked, or None."""
        statement = select(DatasetTable).where(DatasetTable.state == "validating").order_by(DatasetTable.id)
        return self.session.scalars(statement.limit(1)).one_or_none()

    def holdings(self, owner: str) -> Holdings:
        """What this owner has; an archive that waits for its check counts, a folder of the server takes nothing."""
        mine = DatasetTable.owner == owner
        counted = select(func.count(), func.coalesce(func.sum(DatasetTable.size), 0)).where(mine)
        sets, size = self.session.execute(counted).one()
        named = select(DatasetTable.name, DatasetTable.size).where(mine, DatasetTable.size > 0)
        largest = self.session.execute(named.order_by(DatasetTable.size.desc()).limit(3))
        return Holdings(owner, sets, int(size or 0), tuple((name, int(size or 0)) for name, size in largest))

    def unmeasured(self) -> list[DatasetTable]:
        """Uploads that are ready, and of which nobody has noted the size."""
        statement = select(DatasetTable).where(DatasetTable.kind == "uploaded", DatasetTable.state == "ready")
        return list(self.session.scalars(statement.where(DatasetTable.size.is_(None))))

    def unused_since(self, moment: datetime) -> list[DatasetTable]:
        """Uploads older than that which no job has used since, nor is to use."""
        job = JobTable.dataset_id == DatasetTable.id, or_(JobTable.finished_at.is_(None), JobTable.finished_at > moment)
        old = DatasetTable.kind == "uploaded", DatasetTable.state != "validating", DatasetTable.created_at < moment
        return list(self.session.scalars(select(DatasetTable).where(*old, ~exists().where(*job))))

    def last_uses(self, ids: Sequence[str]) -> dict[str, datetime | None]:
        """By dataset when the last job that used it ended; None where one has not. What no job used is not in it."""
        unfinished = func.sum(case((JobTable.finished_at.is_(None), 1), else_=0))
        used = select(JobTable.dataset_id, unfinished, func.max(JobTable.finished_at))
        rows = self.session.execute(used.where(JobTable.dataset_id.in_(ids)).group_by(JobTable.dataset_id))
        return {id: None if count else ended for id, count, ended in rows}

    def delete(self, row: DatasetTable) -> None:
        """Forget one."""
        self.session.execute(delete(DatasetTable).where(DatasetTable.id == row.id))
