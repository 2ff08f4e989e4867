"""A longer run of faults: jobs are killed again and again, in the middle, and each one ends once and whole."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.verify

JOBS, KILLS = 12, 40
EPOCHS, STEPS_PER_EPOCH = 40, 11
SCHEDULE = {"policy": "one_cycle", "max_lr": 0.05}
BODY = {"kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": EPOCHS, "schedule": SCHEDULE}


def kill_something(service: Any, choose: random.Random) -> None:
    """SIGKILL to the training, the worker, the keeper or the API, whichever the dice say and is there."""
    part = choose.choice(["training", "training", "training", "worker", "keeper", "api"])
    try:
        pids = [service.training_pid()] if part == "training" else service.pids(part)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    except (LookupError, ProcessLookupError):
        return  # nothing of the kind runs at the moment


def patiently(http: httpx.Client, method: str, path: str, **options: Any) -> dict[str, Any]:
    """A request that is repeated while the API is away."""
    for _ in range(300):
        try:
            answer = http.request(method, path, **options)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        assert answer.status_code in (200, 202), answer.text
        return answer.json()
    raise AssertionError("the API did not come back")


def test_every_job_ends_once(tmp_path: Path, started):
    service, choose = started(tmp_path), random.Random(0)
    with httpx.Client(base_url=service.url, timeout=30) as http:
        body = BODY | {"max_attempts": 10}
        ids = [patiently(http, "POST", "/v1/jobs", json=body | {"seed": seed})["id"] for seed in range(JOBS)]
        for _ in range(KILLS):
            time.sleep(choose.uniform(0.5, 2.5))
            kill_something(service, choose)
        deadline = time.monotonic() + 600
        jobs = []
        for id in ids:
            while not (job := patiently(http, "GET", f"/v1/jobs/{id}"))["finished_at"]:
                assert time.monotonic() < deadline, job
                time.sleep(0.5)
            jobs.append(job)
        for job in jobs:
            assert job["state"] == "succeeded", job["error"]
            history = patiently(http, "GET", f"/v1/jobs/{job['id']}/events", params={"limit": 1000})["items"]
            assert [event["seq"] for event in history] == list(range(1, len(history) + 1))
            ends = [event for event in history if event["data"].get("state") == "succeeded"]
            assert len(ends) == 1
            metrics = patiently(http, "GET", f"/v1/jobs/{job['id']}/metrics", params={"max_points": 10_000})
            assert metrics["steps"]["step"] == list(range(EPOCHS * STEPS_PER_EPOCH))
    service.stop()
