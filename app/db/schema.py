"""Which schema the database has and which this code needs. Light: the migrations themselves are in app.db.migrate."""

from pathlib import Path

from sqlalchemy import inspect, text

import migrations
from app.db.session import Database


def newest_revision() -> str:
    """The revision this code was written for: the number of the last migration."""
    versions = Path(migrations.__file__).parent / "versions"
    return max(path.name.partition("_")[0] for path in versions.glob("[0-9]*_*.py"))


def current_revision(database: Database) -> str | None:
    """The revision the database is at, or None when it is empty."""
    with database.engine.execution_options(reading=True).connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
