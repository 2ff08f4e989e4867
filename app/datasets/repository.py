"""Uploaded and registered datasets in the database, within the caller's transaction."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db.lists import newest_first, of_owner
from app.db.tables import DatasetTable


class DatasetRepository:
    """Rows of datasets; built-in ones have none."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, row: DatasetTable) -> None:
        """Store a new one; raises IntegrityError when its name was taken in the meantime."""
        self.session.add(row)
        self.session.flush()

    def get(self, id: str, *, only: str | None = None) -> DatasetTable | None:
        """One by id, or None; with `only`, of this owner alone."""
        statement = select(DatasetTable).where(DatasetTable.id == id)
        return self.session.scalars(of_owner(statement, DatasetTable.owner, only)).one_or_none()

    def by_name(self, name: str, *, owner: str) -> DatasetTable | None:
        """This owner's by name, or None."""
        statement = select(DatasetTable).where(DatasetTable.owner == owner, DatasetTable.name == name)
        return self.session.scalars(statement).one_or_none()

    def lock(self, id: str) -> DatasetTable | None:
        """One that nobody else changes or begins to use until the transaction ends."""
        statement = select(DatasetTable).where(DatasetTable.id == id).with_for_update()
        return self.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()

    def hold(self, row: DatasetTable) -> None:
        """Keep it from being deleted until the transaction ends; others may hold it too."""
        statement = select(DatasetTable.id).where(DatasetTable.id == row.id).with_for_update(read=True)
        self.session.execute(statement)

    def names(self, *, owner: str) -> list[str]:
        """Every name that this owner has given."""
        return list(self.session.scalars(select(DatasetTable.name).where(DatasetTable.owner == owner)))

    def page(self, *, limit: int, before: str | None, only: str | None) -> list[DatasetTable]:
        """Newest first, older than the id `before`; with `only`, of this owner alone."""
        statement = of_owner(select(DatasetTable), DatasetTable.owner, only)
        return list(self.session.scalars(newest_first(statement, DatasetTable.id, limit=limit, before=before)))

    def oldest_validating(self) -> DatasetTable | None:
        """The one that has waited longest to be checked, or None."""
        statement = select(DatasetTable).where(DatasetTable.state == "validating").order_by(DatasetTable.id)
        return self.session.scalars(statement.limit(1)).one_or_none()

    def delete(self, row: DatasetTable) -> None:
        """Forget one."""
        self.session.execute(delete(DatasetTable).where(DatasetTable.id == row.id))
