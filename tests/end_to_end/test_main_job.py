"""The main job as a user does it: submit over HTTP, follow, download; and what happens when things are killed."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.torch import load_file

from app.openapi.examples import recorded

# Short enough for a test, long enough to be killed in the middle: 11 steps an epoch.
SCHEDULE = {"policy": "one_cycle", "max_lr": 0.05}
LONG = {"kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": 40, "schedule": SCHEDULE}


def submit(http: httpx.Client, body: dict[str, Any]) -> str:
    answer = http.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def wait_for_end(http: httpx.Client, id: str, *, seconds: float = 90) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = http.get(f"/v1/jobs/{id}", headers={"Prefer": "wait=10"}).json()
        if job["finished_at"]:
            return job
    raise AssertionError(f"the job did not end: {job}")


def events(http: httpx.Client, id: str) -> list[dict[str, Any]]:
    return http.get(f"/v1/jobs/{id}/events", params={"limit": 1000}).json()["items"]


def wait_for_event(http: httpx.Client, id: str, kind: str, *, count: int = 1) -> None:
    deadline = time.monotonic() + 60
    while sum(event["type"] == kind for event in events(http, id)) < count:
        assert time.monotonic() < deadline, f"no {kind} event came"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether a process still runs; one that has ended and waits for init to take note does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def assert_ended_once_and_whole(http: httpx.Client, id: str, job: dict[str, Any]) -> None:
    """Succeeded, with one terminal event, no gap in the history and every step in the metrics."""
    history = events(http, id)
    ended = [event for event in history if event["type"] == "state" and event["data"]["state"] == "succeeded"]
    assert job["state"] == "succeeded", job["error"]
    assert len(ended) == 1
    assert [event["seq"] for event in history] == list(range(1, len(history) + 1))
    metrics = http.get(f"/v1/jobs/{id}/metrics", params={"max_points": 10_000}).json()
    assert metrics["steps"]["step"] == list(range(metrics["total_steps"]))
    assert metrics["total_steps"] == job["spec"]["epochs"] * 11
    assert metrics["epochs"]["epoch"] == list(range(1, job["spec"]["epochs"] + 1))


def assert_like_the_example(job: dict[str, Any], name: str) -> None:
    """What the document shows of such a job is what a real one has; the workers' part of it is a copy."""
    example = recorded()["operations"]["get_job"]["answers"]["200"]["content"]["application/json"][name]
    assert job.keys() == example.keys()
    assert job["result"].keys() == example["result"].keys()
    assert job["progress"].keys() == example["progress"].keys()
    assert example["resolved"].keys() <= job["resolved"].keys()


class TestMainJob:
    def test_range_test_gives_a_pick_that_explains_itself(self, http):
        id = submit(http, {"kind": "range_test", "dataset": "digits", "architecture": "mlp"})
        job = wait_for_end(http, id)
        result = job["result"]
        assert job["state"] == "succeeded", job["error"]
        assert_like_the_example(job, "range_test")
        assert 1e-4 < result["max_lr"] < 10
        assert result["min_lr"] == pytest.approx(result["max_lr"] / 10)
        assert result["interval"][0] <= result["max_lr"] <= result["interval"][1]
        assert set(result["landmarks"]) == {"edge", "steepest", "minimum", "minimum_over_ten", "valley", "divergence"}
        assert len(result["reason"]) > 20
        columns = http.get(f"/v1/jobs/{id}/metrics").json()["steps"]
        assert set(columns) == {"step", "sweep", "learning_rate", "loss", "smoothed_loss"}
        assert http.get(f"/v1/jobs/{id}/plots/range_test.png").content.startswith(b"\x89PNG")

    def test_training_with_auto_gives_a_model_curves_and_plots(self, http, tmp_path: Path):
        id = submit(http, {"kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": 10})
        job = wait_for_end(http, id)
        assert_ended_once_and_whole(http, id, job)
        assert_like_the_example(job, "training")
        assert job["resolved"]["max_lr"]["origin"] == "range_test"
        assert job["resolved"]["max_lr"]["reason"]
        assert job["result"]["search_steps"] > 0
        assert job["result"]["best"]["validation_accuracy"] > 0.8  # chance is 0.1
        assert set(job["links"]["plots"]) == {"range_test", "learning_rate", "loss", "accuracy", "confusion_matrix"}
        for href in job["links"]["plots"].values():
            assert http.get(href).content.startswith(b"\x89PNG")
            assert b"<svg" in http.get(href.replace(".png", ".svg")).content
        model = http.get(job["links"]["model"]).json()
        assert model["classes"] == [str(digit) for digit in range(10)]
        weights = tmp_path / "weights.safetensors"
        weights.write_bytes(http.get(f"/v1/models/{model['id']}/files/weights.safetensors").content)
        assert sum(tensor.numel() for tensor in load_file(weights).values()) == model["parameters"]

    def test_diverging_training_fails_and_keeps_its_curve(self, http):
        schedule = {"policy": "one_cycle", "max_lr": 1e6}
        id = submit(http, {"kind": "training", "dataset": "digits", "architecture": "mlp", "schedule": schedule})
        job = wait_for_end(http, id)
        assert job["state"] == "failed"
        assert job["error"]["code"] == "lr_diverged"
        assert job["error"]["hint"]
        assert job["model_id"] is None
        assert http.get(f"/v1/jobs/{id}/metrics").json()["total_steps"] > 0
        assert http.get(f"/v1/jobs/{id}/plots/loss.png").status_code == 200
        assert "lr_diverged" in http.get(f"/v1/jobs/{id}/logs").text

    def test_cancel_stops_within_a_batch(self, http):
        id = submit(http, LONG | {"epochs": 10_000, "compile": "off"})
        wait_for_event(http, id, "steps")
        began = time.monotonic()
        assert http.post(f"/v1/jobs/{id}/cancel").json()["state"] == "cancelling"
        job = wait_for_end(http, id, seconds=20)
        assert job["state"] == "cancelled"
        assert job["error"]["code"] == "cancelled"
        assert time.monotonic() - began < 10  # 1 s on a quiet machine

    def test_weights_that_are_not_to_be_had_fail_in_preparing(self, http):
        body = {"kind": "training", "dataset": "digits", "architecture": "mobilenet_v2", "pretrained": True}
        id = submit(http, body)
        job = wait_for_end(http, id)
        assert job["error"]["code"] == "weights_unavailable"
        phases = [event["data"]["phase"] for event in events(http, id) if event["type"] == "phase"]
        assert phases == ["preparing"]


class TestKilled:
    """`service.training_pid` and the like name real processes, and the signals are real."""

    def test_killed_training_process_goes_on_from_its_checkpoint(self, service, http):
        id = submit(http, LONG)
        wait_for_event(http, id, "checkpoint")
        os.kill(service.training_pid(), signal.SIGKILL)
        job = wait_for_end(http, id)
        assert_ended_once_and_whole(http, id, job)
        assert job["attempts"] == 2
        assert "killed (SIGKILL)" in http.get(f"/v1/jobs/{id}/logs").text
        first_steps = [
            event["data"]["first_step"]
            for event in events(http, id)
            if event["type"] == "steps" and event["attempt"] == 2
        ]
        assert first_steps[0] > 0  # it did not start over

    def test_killed_worker_is_started_again_and_the_job_ends_once(self, service, http):
        id = submit(http, LONG)
        wait_for_event(http, id, "checkpoint")
        (worker,) = service.pids("worker")
        os.kill(worker, signal.SIGKILL)
        job = wait_for_end(http, id)
        assert_ended_once_and_whole(http, id, job)
        assert job["attempts"] == 2
        assert service.pids("worker") != [worker]

    def test_stopped_worker_hands_over_without_blame(self, service, http):
        id = submit(http, LONG | {"max_attempts": 1})
        wait_for_event(http, id, "checkpoint")
        (worker,) = service.pids("worker")
        os.kill(worker, signal.SIGTERM)
        job = wait_for_end(http, id)
        assert_ended_once_and_whole(http, id, job)

    def test_killed_api_comes_back_and_nothing_is_lost(self, service, http):
        id = submit(http, LONG)
        (api,) = service.pids("api")
        os.kill(api, signal.SIGKILL)
        for _ in range(200):
            try:
                job = wait_for_end(http, id)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        assert_ended_once_and_whole(http, id, job)


class TestOnPostgresqlAndRedis:
    def test_training_survives_a_killed_training_process(self, scaled_service):
        with httpx.Client(base_url=scaled_service.url, timeout=30) as http:
            id = submit(http, LONG)
            wait_for_event(http, id, "checkpoint")
            os.kill(scaled_service.training_pid(), signal.SIGKILL)
            job = wait_for_end(http, id)
            assert_ended_once_and_whole(http, id, job)
            assert http.get("/readyz").json()["ready"]


class TestServe:
    @pytest.mark.parametrize("end", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.verify)])
    def test_leaves_no_process_behind(self, service, started, tmp_path, end):
        if service.process.poll() is not None:  # by another signal, before
            service = started(tmp_path)
        with httpx.Client(base_url=service.url) as http:
            wait_for_event(http, submit(http, LONG | {"epochs": 10_000, "compile": "off"}), "steps")
        mine = service.processes()
        assert len(mine) >= 4  # api, keeper, worker, its forkserver and training
        assert service.stop(with_signal=end) == 0
        assert [command for pid, command in mine.items() if runs(pid)] == []
