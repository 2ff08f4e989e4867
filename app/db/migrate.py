"""Brings the schema up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

import migrations
from app.config import Settings
from app.db.schema import newest_revision
from app.db.session import Database


def upgrade(settings: Settings) -> str:
    """Run every migration that is missing and return the revision reached."""
    database = Database(settings.database)
    try:
        with database.engine.connect() as connection, without_foreign_keys(connection), connection.begin():
            if not database.is_sqlite:
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a large table takes its time
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return newest_revision()
    finally:
        database.dispose()


@contextmanager
def without_foreign_keys(connection: Connection) -> Iterator[None]:
    """On SQLite a table is altered by copying and dropping it, which must not cascade into its children."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - it was just connected
    driver.execute("PRAGMA foreign_keys=OFF")
    yield
    driver.execute("PRAGMA foreign_keys=ON")
    broken = driver.execute("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"the migration left rows without their parents, e.g. {broken[0]}; restore the backup")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config
