"""Jobs in the database: history, pages, filters, figures."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from app.db.session import Database
from app.db.tables import JobTable
from app.domain.lifecycle import IllegalMove, JobState
from app.jobs.repository import JobRepository, NewEvent


@pytest.fixture
def jobs(database):
    with database.transaction() as session:
        yield JobRepository(session)


class TestHistory:
    def test_begins_with_the_submission(self, database, jobs, put_job):
        moment = datetime(2026, 1, 2, tzinfo=UTC)
        id = put_job(database, created_at=moment)
        [event] = jobs.events(id)
        assert (event.seq, event.type, event.time, event.attempt) == (1, "state", moment, 0)
        assert event.data == {"state": "queued", "previous": None}

    def test_seq_revision_and_last_seq_move_together(self, database, jobs, put_job):
        job = jobs.lock(put_job(database))
        revision = job.revision
        jobs.append(job, [NewEvent("log", {"n": number}) for number in range(3)])
        jobs.append(job, [])
        jobs.append(job, [NewEvent("log", {"n": 3})])
        assert job.revision == revision + 3
        assert job.last_seq == 5
        assert [(event.seq, event.data) for event in jobs.events(job.id, after=1)] == [
            (number + 2, {"n": number}) for number in range(4)
        ]

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, [1, 2, 3, 4, 5]),
            ({"after": 3}, [4, 5]),
            ({"limit": 2}, [1, 2]),
            ({"after": 1, "limit": 2}, [2, 3]),
            ({"types": ["log"]}, [2, 4]),
            ({"types": ["log", "epoch"], "after": 2}, [3, 4, 5]),
            ({"after": 5}, []),
        ],
    )
    def test_pages(self, database, jobs, put_job, options, expected):
        job = jobs.lock(put_job(database))
        jobs.append(job, [NewEvent(name, {}) for name in ("log", "epoch", "log", "epoch")])
        assert [event.seq for event in jobs.events(job.id, **options)] == expected

    def test_writers_side_by_side_leave_no_gap(self, settings, database, put_job, hand_of):
        id = put_job(database)
        lease = hand_of(database).claim()

        def write(number):
            mine = hand_of(Database(settings.database))
            for step in range(10):
                mine.write(lease, *[("log", {"level": "info", "message": f"{number}.{step}"})] * 2)
            mine.database.dispose()

        threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with database.reading() as session:
            rows = JobRepository(session).events(id)
        assert [row.seq for row in rows] == list(range(1, 2 + 3 * 10 * 2 + 1))


class TestMove:
    def test_an_illegal_one_changes_nothing(self, database, jobs, put_job):
        job = jobs.lock(put_job(database, state="succeeded"))
        with pytest.raises(IllegalMove):
            jobs.move(job, JobState.RUNNING)
        assert (job.state, job.last_seq) == ("succeeded", 1)


class TestFigures:
    def test_counts_and_ages(self, database, jobs, put_job):
        old = datetime.now(UTC) - timedelta(hours=1)
        for state, created in [("queued", old), ("queued", datetime.now(UTC)), ("failed", old - timedelta(days=1))]:
            put_job(database, state=state, created_at=created)
        assert sorted(jobs.count_by_kind_and_state()) == [("training", "failed", 1), ("training", "queued", 2)]
        assert jobs.oldest_queued() == old

    def test_of_an_empty_queue(self, jobs):
        assert jobs.oldest_queued() is None
        assert jobs.count_by_kind_and_state() == []

    def test_who_needs_a_dataset(self, database, jobs, put_job):
        ids = {state: put_job(database, state=state, dataset_id="ds_a", owner="ann") for state in JobState}
        unfinished = ["queued", "running", "cancelling", "pausing", "paused"]
        assert sorted(jobs.needing_dataset("ds_a")) == sorted((ids[state], state, "ann") for state in unfinished)
        assert jobs.needing_dataset("ds_b") == []

    def test_heads(self, database, jobs, put_job):
        a, b = put_job(database), put_job(database, state="failed")
        assert jobs.heads([a, b, "job_gone"]) == {a: (2, 1, "queued"), b: (2, 1, "failed")}
        assert jobs.heads([]) == {}

    def test_delete_takes_history_and_tags(self, database, put_job):
        id = put_job(database, tags=["x"])
        with database.transaction() as session:
            JobRepository(session).delete(session.get(JobTable, id))
        with database.reading() as session:
            assert JobRepository(session).events(id) == []
            assert session.get(JobTable, id) is None
