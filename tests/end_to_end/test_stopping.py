"""Trainings that are killed, paused and interrupted in the middle: each goes on, and ends with the same weights."""

import os
import random
import signal
import time
from contextlib import suppress

import httpx
import pytest

EPOCHS, STEPS_PER_EPOCH = 60, 11
SCHEDULE = {"policy": "one_cycle", "max_lr": 0.05}
# Bit for bit is promised of fp32 on a CPU; shifts make each epoch's pictures others.
SPEC = {
    "kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": EPOCHS, "schedule": SCHEDULE, "seed": 7,
    "precision": "fp32", "compile": "off", "augmentation": {"crop": 2},
}  # fmt: skip
ENDED = ("succeeded", "failed", "cancelled")


class Follower:
    """A job as somebody sees it who asks again and again."""

    def __init__(self, http, body):
        self.http, self.path = http, ""
        answer = http.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        self.id = answer.json()["id"]
        self.path = f"/v1/jobs/{self.id}"

    def job(self):
        return self.http.get(self.path).json()

    def ask(self, verb):
        answer = self.http.post(f"{self.path}/{verb}")
        assert answer.status_code == 200, answer.text
        return answer.json()["state"]

    def events(self, kind, *, attempt=None):
        items = self.http.get(f"{self.path}/events", params={"limit": 1000}).json()["items"]
        return [event for event in items if event["type"] == kind and attempt in (None, event["attempt"])]

    def until(self, condition, *, seconds=90):
        deadline = time.monotonic() + seconds
        while not (found := condition(self)):
            assert time.monotonic() < deadline, self.job()
            time.sleep(0.02)
        return found

    def until_state(self, *states):
        self.until(lambda job: job.job()["state"] in states)
        return self.job()

    def until_checkpoint(self):
        """Of the present attempt; the step it is after."""
        saved = self.until(lambda job: job.events("checkpoint", attempt=job.job()["attempts"]))
        return saved[-1]["data"]["step"]

    def states(self):
        return [event["data"]["state"] for event in self.events("state")]

    def first_steps(self):
        """With which each attempt that trained began."""
        steps = self.events("steps")
        attempts = sorted({event["attempt"] for event in steps})
        return [next(event["data"]["first_step"] for event in steps if event["attempt"] == one) for one in attempts]

    def goes_on_from_its_checkpoint(self):
        """Resume it; returns what `weights` does."""
        reached = self.events("checkpoint")[-1]["data"]["step"]
        assert self.ask("resume") == "queued"
        digest = self.weights()
        assert self.first_steps() == [0, reached]
        assert reached > 0
        return digest

    def weights(self):
        """The digest of what it trained, once it has succeeded."""
        job = self.until_state(*ENDED)
        assert job["state"] == "succeeded", job["error"]
        assert self.http.get(f"{self.path}/metrics", params={"max_points": 10_000}).json()["steps"]["step"] == list(
            range(job["spec"]["epochs"] * STEPS_PER_EPOCH)
        )
        files = self.http.get(f"/v1/models/{job['model_id']}").json()["files"]
        return next(file["sha256"] for file in files if file["name"] == "weights.safetensors")


@pytest.fixture
def submit(http):
    """Submit a training with changes."""
    return lambda **changes: Follower(http, SPEC | changes)


@pytest.fixture(scope="module")
def uninterrupted(service):
    """The digest of the weights of a training that nobody disturbed."""
    with httpx.Client(base_url=service.url, timeout=30) as http:
        return Follower(http, SPEC).weights()


@pytest.fixture
def frozen(service):
    """Stop a training process once it has saved a checkpoint, so that it hears nothing; returns its id."""
    stopped = []

    def freeze(job):
        job.until_checkpoint()
        stopped.append(service.training_pid())
        os.kill(stopped[-1], signal.SIGSTOP)
        return stopped[-1]

    yield freeze
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.verify
class TestKilled:
    def test_again_and_again_and_the_weights_are_the_same(self, submit, service, uninterrupted):
        job, choose = submit(), random.Random(0)
        for part in ("training", "training", "worker", "training"):
            job.until_checkpoint()
            time.sleep(choose.uniform(0, 0.3))
            (pid,) = [service.training_pid()] if part == "training" else service.pids("worker")
            before = job.job()["attempts"]
            os.kill(pid, signal.SIGKILL)
            job.until(lambda job, before=before: job.job()["attempts"] > before)
        assert job.weights() == uninterrupted
        first_steps = job.first_steps()
        assert len(first_steps) == job.job()["attempts"] == 5
        assert first_steps == sorted(first_steps)
        assert first_steps[1] > 0


@pytest.mark.verify
class TestPaused:
    def test_another_job_runs_meanwhile_and_the_weights_are_the_same(self, submit, uninterrupted):
        job = submit()
        job.until_checkpoint()
        assert job.ask("pause") == "pausing"
        paused = job.until_state("paused", *ENDED)
        assert (paused["state"], paused["phase"], paused["worker"]) == ("paused", None, None)
        other = submit(epochs=2)
        other.weights()
        assert other.job()["attempts"] == 1
        assert job.job() == paused
        assert job.goes_on_from_its_checkpoint() == uninterrupted
        assert job.states() == ["queued", "running", "pausing", "paused", "queued", "running", "succeeded"]


@pytest.mark.verify
class TestWhilePausing:
    """The training process hears nothing, so that the job is pausing for as long as it takes."""

    def test_cancelled(self, submit, frozen):
        job = submit(epochs=10_000)
        pid = frozen(job)
        assert job.ask("pause") == "pausing"
        assert job.ask("cancel") == "cancelling"
        os.kill(pid, signal.SIGCONT)
        assert job.until_state(*ENDED, "paused")["error"]["code"] == "cancelled"
        assert job.states() == ["queued", "running", "pausing", "cancelling", "cancelled"]

    def test_training_process_killed(self, submit, frozen):
        job = submit(max_attempts=1)
        pid = frozen(job)
        job.ask("pause")
        os.kill(pid, signal.SIGKILL)
        assert job.until_state(*ENDED, "paused")["state"] == "paused"
        job.goes_on_from_its_checkpoint()

    def test_worker_stopped(self, submit, service, frozen):
        job = submit(max_attempts=1)
        pid = frozen(job)
        job.ask("pause")
        (worker,) = service.pids("worker")
        os.kill(worker, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        assert job.until_state(*ENDED, "paused")["state"] == "paused"
        job.goes_on_from_its_checkpoint()
