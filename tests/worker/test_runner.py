"""What the worker does when something of its own fails: the job goes back, with the reason, and the next is claimed."""

import errno
from dataclasses import replace

import pytest
from obstore.exceptions import GenericError

from app.artifacts.store import ArtifactStore, StoreUnavailable
from app.db.tables import JobTable
from worker import attempt
from worker.assignments import CannotStart
from worker.attempt import describe_failure
from worker.messages import Failed
from worker.runner import Runner, Worker


@pytest.fixture
def runner(database, settings):
    """A runner that never gets as far as a training process."""
    store = ArtifactStore(settings.storage)
    return Runner(settings, database, store, Worker("host:0", ("cpu",)), processes=None, stopping=lambda: False)


def fail_with(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(attempt, "make_assignment", fail)


class TestBrokenAttempt:
    def test_goes_back_into_the_queue_with_a_pause(self, runner, queued, read, monkeypatch):
        fail_with(monkeypatch, OSError(errno.ENOSPC, "full"))
        id = queued()
        runner.drain()
        job, events = read(id)
        assert (job.state, job.crashes, job.attempts) == ("queued", 1, 1)
        assert job.not_before is not None
        assert "No space is left" in events[-2].data["message"]

    def test_fails_with_its_code_after_the_last_attempt(self, runner, queued, read, monkeypatch):
        fail_with(monkeypatch, OSError(errno.ENOSPC, "full"))
        id = queued(max_attempts=1)
        runner.drain()
        job, _ = read(id)
        assert (job.state, job.error["code"]) == ("failed", "storage_full")
        assert job.error["hint"]

    def test_does_not_keep_the_next_job_from_being_tried(self, runner, queued, database, monkeypatch):
        fail_with(monkeypatch, RuntimeError("surprise"))
        ids = [queued(max_attempts=1) for _ in range(3)]
        runner.drain()
        with database.reading() as session:
            assert {session.get(JobTable, id).state for id in ids} == {"failed"}

    def test_leaves_no_folder(self, runner, queued, settings, monkeypatch):
        fail_with(monkeypatch, RuntimeError("surprise"))
        id = queued(max_attempts=1)
        runner.drain()
        assert not (settings.folder("attempts") / id / "1").exists()


class TestFullDisk:
    def test_nothing_is_claimed_below_the_floor(self, runner, queued, read, settings):
        id = queued()
        full = replace(runner, settings=settings.model_copy(update={"disk_floor_bytes": 1 << 60}))
        full.drain()
        assert (read(id)[0].state, read(id)[0].attempts) == ("queued", 0)

    def test_a_training_that_found_no_room_is_tried_again(self, runner, queued, read, monkeypatch):
        fail_with(
            monkeypatch, CannotStart(Failed("storage_full", "Full", "No space is left.", "Free some.", retryable=True))
        )
        id = queued()
        runner.drain()
        job, events = read(id)
        assert (job.state, job.crashes) == ("queued", 1)
        assert events[-2].data["message"] == "No space is left."


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "full"), "storage_full"),
        (OSError(errno.EDQUOT, "quota"), "storage_full"),
        (ConnectionResetError(), "storage_unavailable"),
        (GenericError("S3 is away"), "storage_unavailable"),
        (StoreUnavailable("It is away.", "Wait."), "storage_unavailable"),
        (KeyError("surprise"), "internal_error"),
    ],
)
def test_each_failure_has_its_code(error, code):
    assert describe_failure(error)["code"] == code
