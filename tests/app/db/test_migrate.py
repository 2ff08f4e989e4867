"""The migrated schema is the one the tables describe, and migrations go both ways."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from app.config import Settings
from app.db import migrate
from app.db.migrate import upgrade
from app.db.schema import current_revision, newest_revision
from app.db.session import Database
from app.db.tables import Base


def differences(database):
    with database.engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)


def downgrade(database):
    config = migrate._config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


class TestSchema:
    def test_the_newest_is_the_head_of_the_migrations(self):
        assert ScriptDirectory.from_config(migrate._config()).get_heads() == [newest_revision()]

    def test_equals_the_tables(self, database):
        assert differences(database) == []

    def test_a_difference_would_be_seen(self, sqlite_settings):
        database = Database(sqlite_settings.database)
        with database.transaction() as session:
            session.execute(text("ALTER TABLE workers DROP COLUMN device"))
            session.execute(text("DROP INDEX ix_job_tags_tag_job_id"))
        assert {difference[0] for difference in differences(database)} == {"add_column", "add_index"}
        database.dispose()


class TestUpgrade:
    def test_twice_is_once(self, settings, database):
        assert upgrade(settings) == newest_revision() == current_revision(database)

    def test_down_and_up_again(self, settings, database):
        downgrade(database)
        assert current_revision(database) is None
        assert set(inspect(database.engine).get_table_names()) == {"alembic_version"}
        upgrade(settings)
        assert differences(database) == []

    def test_an_empty_database_is_at_no_revision(self, tmp_path):
        database = Database(Settings(data_dir=tmp_path).database)
        assert current_revision(database) is None
        database.dispose()

    def test_altering_a_table_keeps_what_hangs_on_it(self, settings, database, put_job, monkeypatch):
        put_job(database, tags=["a"])

        def alter(config, revision):
            context = MigrationContext.configure(config.attributes["connection"])
            with Operations(context).batch_alter_table("jobs", recreate="auto") as jobs:
                jobs.alter_column("name", new_column_name="title")  # SQLite copies and drops the table

        monkeypatch.setattr(command, "upgrade", alter)
        upgrade(settings)
        with database.transaction() as session:
            counts = ("SELECT count(*) FROM job_events", "SELECT count(*) FROM job_tags")
            kept = [session.scalar(text(count)) for count in counts]
            session.execute(text("ALTER TABLE jobs RENAME COLUMN title TO name"))
        assert kept == [1, 1]

    def test_a_failed_one_leaves_nothing_half_done(self, tmp_path, monkeypatch):
        settings = Settings(data_dir=tmp_path)

        def half(config, revision):
            config.attributes["connection"].exec_driver_sql("CREATE TABLE half (id INTEGER)")
            raise RuntimeError("the power went")

        monkeypatch.setattr(command, "upgrade", half)
        with pytest.raises(RuntimeError):
            upgrade(settings)
        database = Database(settings.database)
        assert inspect(database.engine).get_table_names() == []
        database.dispose()
