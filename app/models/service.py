"""Find, list and delete models."""

from sqlalchemy import delete as delete_from
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.callers import Caller
from app.db.lists import newest_first, of_owner
from app.db.session import Database
from app.db.tables import ModelTable
from app.errors import not_found
from app.ids import is_id
from app.jobs.repository import JobRepository


def find(session: Session, id: str, caller: Caller) -> ModelTable:
    """A model that must exist for this caller."""
    statement = of_owner(select(ModelTable).where(ModelTable.id == id), ModelTable.owner, caller.only)
    model = session.scalars(statement).one_or_none() if is_id(id, "mdl") else None
    if model is None:
        raise not_found("model", id)
    return model


def page(session: Session, caller: Caller, *, limit: int, before: str | None) -> list[ModelTable]:
    """Models that the caller sees, newest first, older than the id `before`."""
    statement = of_owner(select(ModelTable), ModelTable.owner, caller.only)
    return list(session.scalars(newest_first(statement, ModelTable.id, limit=limit, before=before)))


def delete(database: Database, store: ArtifactStore, id: str, caller: Caller) -> None:
    """Remove a model and its files; its job no longer names it."""
    with database.transaction() as session:
        JobRepository(session).forget_model(find(session, id, caller).job_id, id)
        session.execute(delete_from(ModelTable).where(ModelTable.id == id))
    store.discard_below(f"models/{id}/")
