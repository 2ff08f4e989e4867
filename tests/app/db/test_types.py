"""Moments and the database's clock mean the same on both databases."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from app.db.tables import WorkerTable
from app.db.types import database_in, now_seconds


class TestTimestamp:
    @pytest.mark.parametrize(
        "moment",
        [
            datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            datetime(1970, 1, 1, tzinfo=UTC),
        ],
    )
    def test_there_and_back(self, database, moment):
        with database.transaction() as session:
            session.add(WorkerTable(name="a", device="cpu", started_at=moment, heard_at=moment))
        with database.reading() as session:
            read = session.scalar(select(WorkerTable.heard_at))
        assert read == moment
        assert read.tzinfo is UTC

    def test_in_the_database_it_is_a_number(self, database):
        moment = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)  # the billionth second
        with database.transaction() as session:
            session.add(WorkerTable(name="a", device="cpu", started_at=moment, heard_at=moment))
        with database.reading() as session:
            assert session.connection().exec_driver_sql("SELECT heard_at FROM workers").scalar() == 1_000_000_000.0


class TestClock:
    def test_is_utc_seconds(self, database):
        with database.reading() as session:
            assert now_seconds(session) == pytest.approx(time.time(), abs=2)

    def test_moves_within_a_transaction(self, database):
        with database.transaction() as session:
            before = now_seconds(session)
            time.sleep(0.02)
            assert 0.01 < now_seconds(session) - before < 5

    def test_a_moment_from_now(self, database):
        with database.reading() as session:
            later = session.scalar(select(database_in(timedelta(minutes=1))))
        assert later == pytest.approx(time.time() + 60, abs=2)
