"""Find, list and delete models."""

from sqlalchemy import delete as delete_from
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.db.session import Database
from app.db.tables import ModelTable
from app.errors import not_found
from app.ids import is_id
from app.jobs.repository import JobRepository


def find(session: Session, id: str) -> ModelTable:
    """A model that must exist."""
    model = session.get(ModelTable, id) if is_id(id, "mdl") else None
    if model is None:
        raise not_found("model", id)
    return model


def page(session: Session, *, limit: int, before: str | None) -> tuple[list[ModelTable], str | None]:
    """Models, newest first, and the id to go on from."""
    statement = select(ModelTable).order_by(ModelTable.id.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(ModelTable.id < before)
    models = list(session.scalars(statement))
    return models[:limit], models[limit - 1].id if len(models) > limit else None


def delete(database: Database, store: ArtifactStore, id: str) -> None:
    """Remove a model and its files; its job no longer names it."""
    with database.transaction() as session:
        JobRepository(session).forget_model(find(session, id).job_id, id)
        session.execute(delete_from(ModelTable).where(ModelTable.id == id))
    store.discard_below(f"models/{id}/")
