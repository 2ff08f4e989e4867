"""Two workers that share PostgreSQL, Redis and S3, but no folder: the second goes on where the first was killed."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.torch import load_file

from app.artifacts.store import ArtifactStore
from app.db.session import Database
from app.db.tables import JobTable

SPEC = {
    "kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": 40, "compile": "off", "precision": "fp32",
    "schedule": {"policy": "one_cycle", "max_lr": 0.05},
}  # fmt: skip
pytestmark = pytest.mark.timeout(300)  # 13 s on two quiet cores, two minutes beside a load of 17
QUICK = {"LEASE_SECONDS": "2", "HEARTBEAT_SECONDS": "0.4", "SWEEP_SECONDS": "0.2", "CHECKPOINT_SECONDS": "0.1"}


def until(condition: Callable[[], Any], *, what: str) -> Any:
    """Poll until there is something; what that is."""
    deadline = time.monotonic() + 100
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


@pytest.fixture
def shared(postgresql_settings, redis_url, s3_url, s3_server) -> dict[str, str]:
    """The settings that all hosts have in common; the database is empty."""
    urls = {"DATABASE_URL": postgresql_settings.database_url, "BROKER_URL": redis_url, "STORAGE_URL": s3_url}
    settings = {f"SUPERCYCLE_{name}": value for name, value in (urls | QUICK).items()}
    return settings | s3_server.environment


@pytest.fixture
def start(shared, tmp_path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a part of the service on a host of its own: with a data folder that no other host has."""
    processes = []

    def part(host: str, *command: str) -> "subprocess.Popen[bytes]":
        folder = tmp_path / host
        folder.mkdir(exist_ok=True)
        environment = os.environ | shared | {"SUPERCYCLE_DATA_DIR": str(folder / "data")}
        with (folder / f"{command[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        processes.append(process)
        return process

    yield part
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def http(start, free_port) -> Iterator[httpx.Client]:
    """The API on a third host, with the keeper."""
    start("front", "worker.keeper")
    start("front", "app.main", "--port", str(free_port))
    with httpx.Client(base_url=f"http://127.0.0.1:{free_port}", timeout=30) as client:
        yield client


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def assert_whole(http: httpx.Client, job: dict[str, Any], folder: Path) -> None:
    """Every step once, and every file comes down, in ranges as well, with the digest it was stored with."""
    metrics = http.get(f"/v1/jobs/{job['id']}/metrics", params={"max_points": 10_000}).json()
    assert metrics["steps"]["step"] == list(range(SPEC["epochs"] * 11))
    model = http.get(job["links"]["model"]).json()
    files = http.get(job["links"]["artifacts"]).json()["items"] + model["files"]
    assert {"loss.png", "accuracy.png", "weights.safetensors"} <= {file["name"] for file in files}
    for file in files:
        whole = http.get(file["href"])
        assert (whole.status_code, hashlib.sha256(whole.content).hexdigest()) == (200, file["sha256"])
        part = http.get(file["href"], headers={"Range": "bytes=10-99"})
        assert (part.status_code, part.content) == (206, whole.content[10:100])
        if file["name"] == "weights.safetensors":
            (folder / "weights").write_bytes(whole.content)
    assert sum(tensor.numel() for tensor in load_file(folder / "weights").values()) == model["parameters"]


@pytest.fixture
def copies(shared) -> Iterator[Callable[[str], list[dict[str, str]]]]:
    """What a job's row names in the storage."""
    database = Database(shared["SUPERCYCLE_DATABASE_URL"])

    def named(id: str) -> list[dict[str, str]]:
        with database.reading() as session:
            return (session.get(JobTable, id).checkpoint or {}).get("copies", [])

    yield named
    database.dispose()


@pytest.mark.verify
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_second_goes_on_where_the_first_was_ended(start, http, copies, s3_url, tmp_path, end):
    workers = {host: start(host, "worker", "--devices", "cpu", "--name", host) for host in ("one", "other")}
    until(lambda: answers(http), what="the API")
    id = http.post("/v1/jobs", json=SPEC).raise_for_status().json()["id"]
    until(lambda: copies(id), what="a copy of a checkpoint")
    first = http.get(f"/v1/jobs/{id}").json()["worker"]
    process = workers.pop(first)
    process.send_signal(end)
    named = int(copies(id)[0]["key"].rpartition("/")[2].split("-")[1])

    def ended() -> dict[str, Any] | None:
        job = http.get(f"/v1/jobs/{id}", headers={"Prefer": "wait=10"}).json()
        return job if job["finished_at"] else None

    job = until(ended, what="the end of the job")
    assert (job["state"], job["attempts"], job["worker"]) == ("succeeded", 2, *workers), job["error"]
    history = http.get(f"/v1/jobs/{id}/events", params={"limit": 1000}).json()["items"]
    resumed = [event["data"]["first_step"] for event in history if event["type"] == "steps" and event["attempt"] == 2]
    saved = [event["data"]["step"] for event in history if event["type"] == "checkpoint" and event["attempt"] == 1]
    # A worker that is asked to stop saves once more, and waits until that is copied.
    assert resumed[0] == (named if end == signal.SIGKILL else saved[-1]) > 0
    assert process.wait(timeout=10) == (-signal.SIGKILL if end == signal.SIGKILL else 0)
    assert_whole(http, job, tmp_path)
    store = ArtifactStore(s3_url)
    until(lambda: not any(store.pages(f"checkpoints/{id}/")), what="the checkpoints to be deleted")
