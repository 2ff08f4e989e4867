"""Find, list and delete models."""

from sqlalchemy import Select, select
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.callers import Caller
from app.db.session import Database
from app.db.tables import ModelTable
from app.errors import not_found
from app.ids import is_id
from app.jobs.repository import JobRepository


def find(session: Session, id: str, caller: Caller) -> ModelTable:
    """A model that must exist for this caller."""
    statement = _seen(select(ModelTable).where(ModelTable.id == id), caller)
    model = session.scalars(statement).one_or_none() if is_id(id, "mdl") else None
    if model is None:
        raise not_found("model", id)
    return model


def page(session: Session, caller: Caller, *, limit: int, before: str | None) -> tuple[list[ModelTable], str | None]:
    """Models that the caller sees, newest first, and the id to go on from."""
    statement = _seen(select(ModelTable).order_by(ModelTable.id.desc()).limit(limit + 1), caller)
    if before is not None:
        statement = statement.where(ModelTable.id < before)
    models = list(session.scalars(statement))
    return models[:limit], models[limit - 1].id if len(models) > limit else None


def delete(database: Database, store: ArtifactStore, id: str, caller: Caller) -> None:
    """Remove a model and its files; its job no longer names it."""
    with database.transaction() as session:
        JobRepository(session).forget_model(find(session, id, caller).job_id, id)
        session.execute(delete_from(ModelTable).where(ModelTable.id == id))
    store.discard_below(f"models/{id}/")


def _seen(statement: Select[ModelTable], caller: Caller) -> Select[ModelTable]:
    return statement if caller.only is None else statement.where(ModelTable.owner == caller.only)
