"""The time limit of a job: what is left of it for a claim, and what becomes of a training that reaches it."""

import time
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from app.artifacts.store import ArtifactStore
from app.callers import administrator
from app.db.tables import JobTable
from app.domain.lifecycle import Verb
from app.domain.specs import parse_spec
from app.jobs import service
from app.jobs.metrics import collect
from worker import time_limit
from worker.runner import Runner, Worker
from worker.time_limit import TimeLimit

HOUR = 3600.0
SPEC = {
    "kind": "training", "dataset": "digits", "architecture": {"name": "mlp", "width": 16}, "epochs": 40,
    "precision": "fp32", "compile": "off", "schedule": {"policy": "one_cycle", "max_lr": 0.05},
}  # fmt: skip


class TestLimit:
    @pytest.mark.parametrize(
        ("most", "ran", "is_over"),
        [(None, 0, False), (None, 1e9, False), (60, 59, False), (60, 60, True), (60, 61, True)],
    )
    def test_what_is_left_of_it(self, most, ran, is_over):
        limit = TimeLimit.of(JobTable(max_runtime_seconds=most, ran_seconds=ran, on_time_limit="pause"))
        assert limit.is_over() == is_over
        assert not limit.fails

    def test_it_runs_out(self):
        limit = TimeLimit.of(JobTable(max_runtime_seconds=60, ran_seconds=59.9, on_time_limit="fail"))
        assert not limit.is_over()
        time.sleep(0.15)
        assert limit.is_over()
        assert limit.fails
        assert (limit.error()["code"], "60 s" in limit.error()["detail"]) == ("time_limit", True)


@pytest.fixture
def settings(sqlite_settings):
    return sqlite_settings


@pytest.fixture
def submit(queued):
    """Put a training into the queue; `limits` are columns of its row. Returns its id."""

    def put(limits, **changes):
        return queued(spec=parse_spec(SPEC | changes).model_dump(mode="json"), **limits)

    return put


@pytest.fixture
def drain(settings, database, processes):
    """Work until nothing is left to claim, with real training processes."""
    worker = Worker("host:0", ("cpu",))
    runner = Runner(settings, database, ArtifactStore(settings.storage), worker, processes, stopping=lambda: False)
    return runner.drain


@pytest.fixture
def over_once(monkeypatch, read):
    """Let the hour be over as soon as a job has such an event; it is not over again for a later attempt."""

    def jump(id, is_reached):
        def monotonic():
            return time.monotonic() + (HOUR if any(is_reached(event) for event in read(id)[1]) else 0)

        monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=monotonic))

    return jump


@pytest.fixture
def resume(database, queue):
    def ask(id):
        with database.transaction() as session:
            service.ask(session, id, Verb.RESUME, administrator())
        queue.hint(id)

    return ask


def is_training(event):
    return event.type == "steps" and event.data["phase"] == "training"


def is_sweeping(event):
    return event.type == "steps" and event.data["phase"] == "range_test"


def steps(events, phase):
    return collect(events, phase, series=[], max_points=100_000).steps["step"]


def states(events):
    return [event.data["state"] for event in events if event.type == "state"]


class TestPause:
    def test_goes_on_from_there_with_the_whole_time_when_resumed(
        self, submit, drain, over_once, resume, database, read
    ):
        id = submit({"max_runtime_seconds": HOUR})
        over_once(id, is_training)
        drain()
        job, events = read(id)
        assert states(events) == ["queued", "running", "pausing", "paused"]
        assert (job.state, job.phase, job.worker, job.crashes, job.error) == ("paused", None, None, 0, None)
        reached = job.checkpoint["step"]
        assert 0 < reached < 40 * 11
        [said] = [event.data for event in events if event.type == "log" and event.data["level"] == "warning"]
        assert "max_runtime_seconds, 3600 s; resuming it" in said["message"]
        with database.transaction() as session:
            session.execute(update(JobTable).values(ran_seconds=HOUR))  # by the clock that it went by
        resume(id)
        drain()
        job, events = read(id)
        assert (job.state, job.attempts) == ("succeeded", 2)
        assert (
            next(event.data["first_step"] for event in events if is_training(event) and event.attempt == 2) == reached
        )
        assert steps(events, "training") == list(range(40 * 11))

    def test_in_the_range_test(self, submit, drain, over_once, resume, read):
        id = submit({"max_runtime_seconds": HOUR}, epochs=4, schedule={"policy": "one_cycle"})
        over_once(id, is_sweeping)
        drain()
        job, events = read(id)
        assert (job.state, job.phase) == ("paused", None)
        # The sweep may have ended before the word arrived: then the training stopped before its first step.
        assert job.checkpoint is None or job.checkpoint["step"] == 0
        assert not any(is_training(event) for event in events)
        resume(id)
        drain()
        job, events = read(id)
        assert job.state == "succeeded", job.error
        assert steps(events, "range_test") == list(range(len(steps(events, "range_test"))))
        assert steps(events, "training") == list(range(4 * 11))

    @pytest.mark.parametrize("ran", [0.0, 1.0])
    def test_over_before_the_first_step(self, submit, drain, read, ran):
        id = submit({"max_runtime_seconds": 0.001, "ran_seconds": ran})
        drain()
        job, events = read(id)
        assert states(events) == ["queued", "running", "pausing", "paused"]
        assert (job.crashes, job.checkpoint) == (0, None)
        assert job.ran_seconds > ran
        assert not any(event.type == "steps" for event in events)


class TestFail:
    def test_with_its_code(self, submit, drain, over_once, read, settings):
        id = submit({"max_runtime_seconds": HOUR, "on_time_limit": "fail"})
        over_once(id, is_training)
        drain()
        job, events = read(id)
        assert states(events) == ["queued", "running", "failed"]
        assert (job.error["code"], job.error["attempt"], job.error["retryable"]) == ("time_limit", 1, False)
        assert job.error["hint"]
        assert (job.model_id, job.phase, job.crashes) == (None, None, 0)
        assert not (settings.folder("checkpoints") / id).exists()

    def test_a_cancellation_that_came_before_wins(self, submit, drain, over_once, read, database, queue):
        id = submit({"max_runtime_seconds": HOUR, "on_time_limit": "fail"})

        def cancel(event):
            if is_training(event) and read(id)[0].state == "running":
                with database.transaction() as session:
                    service.ask(session, id, Verb.CANCEL, administrator())
            return is_training(event)

        over_once(id, cancel)
        drain()
        job, events = read(id)
        assert states(events) == ["queued", "running", "cancelling", "cancelled"]
        assert job.error["code"] == "cancelled"
