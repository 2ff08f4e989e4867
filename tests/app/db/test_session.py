"""The two ways to use a database: writing commits or rolls back, reading stays out of the way."""

import threading
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db.session import Database
from app.db.tables import WorkerTable
from app.db.types import database_now


def names(database):
    with database.reading() as session:
        return sorted(session.scalars(text("SELECT name FROM workers")))


def worker(name):
    return WorkerTable(name=name, device="cpu", started_at=database_now(), heard_at=database_now())


def count_workers(database):
    with database.transaction() as session:
        return session.scalar(text("SELECT count(*) FROM workers"))


class TestTransaction:
    def test_commits_at_the_end(self, database):
        with database.transaction() as session:
            session.add(worker("a"))
            session.flush()
            assert names(database) == []
        assert names(database) == ["a"]

    def test_rolls_back_when_the_block_raises(self, database):
        def fail():
            with database.transaction() as session:
                session.add(worker("a"))
                session.flush()
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert names(database) == []

    def test_rows_stay_readable_afterwards(self, database):
        with database.transaction() as session:
            session.add(row := worker("a"))
        assert row.name == "a"  # not expired: there is no session to load it again

    def test_writers_of_one_process_take_turns(self, database):
        def write(number):
            for step in range(10):
                with database.transaction() as session:
                    session.add(worker(f"{number}-{step}"))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(names(database)) == 40


class TestReading:
    def test_commits_nothing(self, database):
        with database.reading() as session:
            session.add(worker("a"))
            session.flush()
        assert names(database) == []

    def test_does_not_wait_for_a_writer(self, sqlite_settings):
        writer, reader = Database(sqlite_settings.database), Database(sqlite_settings.database)
        with writer.transaction() as session:  # BEGIN IMMEDIATE
            session.add(worker("a"))
            session.flush()
            began = time.monotonic()
            assert names(reader) == []
            assert time.monotonic() - began < 1  # a second writer would wait for the busy timeout of 5 s
        assert names(reader) == ["a"]
        writer.dispose()
        reader.dispose()

    def test_a_second_writer_does_wait(self, sqlite_settings, monkeypatch):
        monkeypatch.setattr("app.db.session.BUSY_TIMEOUT_SECONDS", 0.1)
        first, second = Database(sqlite_settings.database), Database(sqlite_settings.database)
        with first.transaction() as session:
            session.add(worker("a"))
            session.flush()
            with pytest.raises(OperationalError, match="locked"):
                count_workers(second)
        first.dispose()
        second.dispose()


class TestSqlite:
    @pytest.mark.parametrize(
        ("pragma", "expected"),
        [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)],
    )
    def test_pragmas(self, sqlite_settings, pragma, expected):
        database = Database(sqlite_settings.database)
        with database.reading() as session:
            assert session.scalar(text(f"PRAGMA {pragma}")) == expected
        database.dispose()

    def test_makes_its_folder(self, tmp_path):
        database = Database(f"sqlite:///{tmp_path}/a/b/c.db")
        with database.reading() as session:
            assert session.scalar(text("SELECT 1")) == 1
        database.dispose()
        assert (tmp_path / "a/b/c.db").exists()


class TestForeignKeys:
    def test_a_job_takes_its_history_along(self, database, put_job):
        id = put_job(database, tags=["a"])
        with database.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM job_events")) == 1
            session.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": id})
            assert session.scalar(text("SELECT count(*) FROM job_events")) == 0
            assert session.scalar(text("SELECT count(*) FROM job_tags")) == 0


class TestHungUp:
    def test_a_server_that_hung_up_is_connected_to_anew(self, postgresql_settings):
        database = Database(postgresql_settings.database)
        with database.reading() as session:
            killed = session.scalar(text("SELECT pg_backend_pid()"))
        other = Database(postgresql_settings.database)
        with other.transaction() as session:
            session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": killed})
        other.dispose()
        with database.transaction() as session:
            assert session.scalar(text("SELECT pg_backend_pid()")) != killed
        with database.reading_rows() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        database.dispose()
