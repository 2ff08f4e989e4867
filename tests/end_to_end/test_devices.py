"""Jobs on several devices of one worker, in real processes: two ranks on the CPU, cancelled, paused and killed."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

QUICK = {  # as the service's own worker has them
    "SUPERCYCLE_LEASE_SECONDS": "2", "SUPERCYCLE_HEARTBEAT_SECONDS": "0.4", "SUPERCYCLE_CHECKPOINT_SECONDS": "0.2",
}  # fmt: skip
TWO_DEVICES = {
    "kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": 40, "devices": 2, "compile": "off",
    "precision": "fp32", "schedule": {"policy": "one_cycle", "max_lr": 0.05},
}  # fmt: skip
ENDLESS = TWO_DEVICES | {"epochs": 10_000}


@pytest.fixture(scope="module")
def pair(service):
    """Beside the service's own worker with one device, start one with two; its process, seen like the service's."""
    started = []

    def start():
        if not started:
            command = [sys.executable, "-m", "supercycle", "worker", "--devices", "cpu,cpu", "--name", "pair:0"]
            environment = {"SUPERCYCLE_DATA_DIR": str(service.data_dir)} | QUICK
            started.append(subprocess.Popen(command, env=os.environ | environment))
        return replace(service, process=started[0])

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def ranks(pair):
    """The training processes of the worker with two devices, in the order of their start, which is theirs."""

    def running():
        forked = [pid for pid, command in pair().processes().items() if "forkserver" in command]
        return sorted(pid for pid in forked if os.getpgid(pid) == pid)

    return running


def submit(http, body):
    answer = http.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def wait_for(http, id, condition, *, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition(job := http.get(f"/v1/jobs/{id}").json()):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


def events(http, id, kind):
    items = http.get(f"/v1/jobs/{id}/events", params={"limit": 1000}).json()["items"]
    return [event for event in items if event["type"] == kind]


def wait_for_event(http, id, kind):
    wait_for(http, id, lambda _: events(http, id, kind))


def has_ended(job):
    return job["finished_at"]


def assert_succeeded_once(http, job):
    assert job["state"] == "succeeded", job["error"]
    assert sum(event["data"]["state"] == "succeeded" for event in events(http, job["id"], "state")) == 1
    metrics = http.get(f"/v1/jobs/{job['id']}/metrics", params={"max_points": 10_000}).json()
    assert metrics["steps"]["step"] == list(range(40 * 11))
    assert metrics["epochs"]["epoch"] == list(range(1, 41))


@pytest.mark.verify
class TestDevices:
    def test_wait_for_a_worker_that_has_them(self, http, pair, ranks):
        id = submit(http, TWO_DEVICES)
        time.sleep(1)  # five sweeps
        assert http.get(f"/v1/jobs/{id}").json()["state"] == "queued"
        pair()
        job = wait_for(http, id, has_ended)
        assert_succeeded_once(http, job)
        assert job["attempts"] == 1
        assert "2 devices" in job["resolved"]["device"]["reason"]
        assert job["result"]["best"]["validation_accuracy"] > 0.8  # chance is 0.1
        assert ranks() == []

    def test_cancel_stops_both(self, http, ranks):
        id = submit(http, ENDLESS)
        wait_for_event(http, id, "steps")
        assert len(ranks()) == 2
        http.post(f"/v1/jobs/{id}/cancel")
        assert wait_for(http, id, has_ended, seconds=20)["state"] == "cancelled"
        assert ranks() == []

    def test_pause_and_resume(self, http, ranks):
        id = submit(http, TWO_DEVICES)
        wait_for_event(http, id, "steps")
        assert http.post(f"/v1/jobs/{id}/pause").status_code in (200, 202)
        wait_for(http, id, lambda job: job["state"] == "paused", seconds=20)
        assert ranks() == []
        assert http.post(f"/v1/jobs/{id}/resume").status_code in (200, 202)
        job = wait_for(http, id, has_ended)
        assert_succeeded_once(http, job)
        first_steps = {event["attempt"]: event["data"]["first_step"] for event in events(http, id, "steps")[::-1]}
        assert first_steps[2] > 0  # it did not start over

    @pytest.mark.parametrize("killed", [0, 1])
    def test_a_killed_rank_takes_the_other_along_and_the_job_goes_on(self, http, ranks, killed):
        id = submit(http, TWO_DEVICES)
        wait_for_event(http, id, "checkpoint")
        before = ranks()
        os.kill(before[killed], signal.SIGKILL)
        job = wait_for(http, id, has_ended)
        assert_succeeded_once(http, job)
        assert job["attempts"] == 2
        assert "killed (SIGKILL)" in http.get(f"/v1/jobs/{id}/logs").text
        assert ranks() == []

    def test_a_batch_that_they_cannot_share_is_refused(self, http):
        problem = http.post("/v1/jobs", json=TWO_DEVICES | {"batch_size": 33}).json()
        assert "take 32 or 34" in str(problem["errors"])
