"""A worker says that it is there, goes on saying it, and signs off."""

import time

from sqlalchemy import select

from app.db.tables import WorkerTable
from worker.presence import Presence


def rows(database):
    with database.reading() as session:
        return {row.name: row.heard_at for row in session.scalars(select(WorkerTable))}


class TestPresence:
    def test_is_heard_again_and_again_and_signs_off(self, database):
        presence = Presence(database=database, name="host:0", device="cpu", every_seconds=0.1)
        presence.start()
        deadline = time.monotonic() + 10
        while not (first := rows(database).get("host:0")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        while rows(database)["host:0"] <= first:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        presence.stop()
        assert rows(database) == {}
