"""Which queued jobs are hinted at again, how often, and never more than there are idle workers."""

from datetime import UTC, datetime, timedelta

import pytest

from app.db.tables import JobTable, WorkerTable
from app.db.types import database_in, database_now
from app.jobs.hints import due_hints, note_hints

BASE = timedelta(seconds=2)
RECENT = timedelta(seconds=30)


@pytest.fixture
def due(database):
    """What is due now; `note` also remembers that it was sent."""

    def now(*, note=False):
        with database.transaction() as session:
            ids = due_hints(session, base=BASE, recent=RECENT)
            if note:
                note_hints(session, ids)
        return ids

    return now


@pytest.fixture
def workers(database):
    """So many workers were heard from, so long ago."""

    def put(count, *, seconds_ago=0.0):
        heard = database_in(-timedelta(seconds=seconds_ago))
        with database.transaction() as session:
            for number in range(count):
                name = f"host{seconds_ago}:{number}"
                session.add(WorkerTable(name=name, device="cpu", started_at=database_now(), heard_at=heard))

    return put


def ago(seconds):
    return datetime.now(UTC) - timedelta(seconds=seconds)


class TestPause:
    @pytest.mark.parametrize(
        ("hints", "seconds", "expected"),
        [
            (0, 1, False),
            (0, 3, True),  # 2 s after the submission's own hint
            (1, 3, False),
            (1, 5, True),  # 2 × 2
            (3, 15, False),
            (3, 17, True),  # 2 × 2³
            (50, 59, False),
            (50, 61, True),  # never longer than a minute
        ],
    )
    def test_doubles(self, database, due, put_job, workers, hints, seconds, expected):
        workers(1)
        id = put_job(database, hints=hints, hinted_at=ago(seconds))
        assert due() == ([id] if expected else [])

    def test_what_was_sent_is_noted(self, database, due, put_job, workers):
        workers(1)
        id = put_job(database, hints=2, hinted_at=ago(100))
        assert due() == due(note=True) == [id]  # asking alone changes nothing
        assert due() == []
        with database.reading() as session:
            job = session.get(JobTable, id)
        assert job.hints == 3
        assert job.hinted_at.timestamp() == pytest.approx(datetime.now(UTC).timestamp(), abs=2)

    def test_one_that_was_claimed_meanwhile_is_left_alone(self, database, put_job):
        id = put_job(database, state="running")
        with database.transaction() as session:
            note_hints(session, [id])
        with database.reading() as session:
            assert (session.get(JobTable, id).hints, session.get(JobTable, id).hinted_at) == (0, None)

    def test_never_hinted_is_due(self, database, due, put_job, workers):
        workers(1)
        assert due() == []
        id = put_job(database)
        assert due() == [id]


class TestWhich:
    def test_only_queued_ones_whose_time_has_come(self, database, due, put_job, workers):
        workers(9)
        for state in ("running", "cancelling", "succeeded", "failed", "cancelled"):
            put_job(database, state=state)
        put_job(database, not_before=datetime.now(UTC) + timedelta(minutes=1))
        id = put_job(database, not_before=ago(1))
        assert due() == [id]


class TestHowMany:
    def test_as_many_as_idle_workers_the_best_first(self, database, due, put_job, workers):
        ids = [put_job(database, priority=number) for number in range(6)]
        for state in ("running", "cancelling"):
            put_job(database, state=state)
        workers(5)  # two of them are busy
        workers(4, seconds_ago=60)  # gone
        assert due() == ids[:-4:-1]

    @pytest.mark.parametrize(("heard", "busy"), [(0, 0), (2, 2), (1, 3)])
    def test_none_while_nobody_could_come(self, database, due, put_job, workers, heard, busy):
        workers(heard)
        for _ in range(busy):
            put_job(database, state="running")
        put_job(database)
        assert due() == []
