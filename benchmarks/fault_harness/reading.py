"""Reads back, once all is over, what the service tells of every job, and what lies in its folders and logs."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from app.db.session import Database
from app.db.tables import ArtifactTable, JobTable, ModelFileTable
from benchmarks.fault_harness.clients import STEPS_PER_EPOCH
from benchmarks.fault_harness.cluster import Cluster
from benchmarks.fault_harness.recording import ENDED, Claim, Event, Garbage, JobRecord, Outcome, Recording

_LARGEST_PAGE = 1000


def read_back(cluster: Cluster, recording: Recording) -> None:
    """Complete a recording."""
    with httpx.Client(base_url=cluster.url, timeout=60, trust_env=False) as http:
        recording.jobs = [_job(http, head) for head in _heads(http)]
    lines = list(_log_lines(cluster.data_dir / "logs"))
    recording.claims = [
        Claim(line["job_id"], line["fence"], f"{file} at {line['timestamp']}")
        for file, line in lines
        if line["event"] == "job claimed"
    ]
    recording.zombies_refused = sum(line["event"].startswith("lease lost") for _, line in lines)
    recording.garbage = _garbage(cluster)


def _heads(http: httpx.Client) -> Iterator[dict[str, Any]]:
    cursor: dict[str, str] = {}
    while True:
        page = _get(http, "/v1/jobs", limit=200, **cursor).json()
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def _job(http: httpx.Client, head: dict[str, Any]) -> JobRecord:
    job = _get(http, head["links"]["self"]).json()
    return JobRecord(
        id=job["id"],
        tag=job["tags"][0],
        state=job["state"],
        steps_needed=job["spec"]["epochs"] * STEPS_PER_EPOCH,
        events=tuple(_events(http, job["links"]["events"])),
        outcome=_outcome(http, job) if job["state"] == "succeeded" else Outcome(),
        error=job["error"],
    )


def _events(http: httpx.Client, href: str) -> Iterator[Event]:
    after = 0
    while items := _get(http, href, after=after, limit=_LARGEST_PAGE).json()["items"]:
        for item in items:
            yield Event(**item | {"time": datetime.fromisoformat(item["time"]).timestamp()})
        after = items[-1]["seq"]


def _outcome(http: httpx.Client, job: dict[str, Any]) -> Outcome:
    metrics = _get(http, job["links"]["metrics"], max_points=100_000, series="step").json()
    files = _get(http, job["links"]["artifacts"]).json()["items"]
    if job["links"]["model"]:
        files += _get(http, job["links"]["model"]).json()["files"]
    whole = {file["name"]: _digest(http, file["href"]) == file["sha256"] for file in files}
    has_model = "weights.safetensors" in whole
    return Outcome(bool(job["result"]), tuple(metrics["steps"]["step"]), whole if has_model else {})


def _digest(http: httpx.Client, href: str) -> str | None:
    """Of a file as it comes down the line; None where it does not come."""
    answer = http.get(href)
    return hashlib.sha256(answer.content).hexdigest() if answer.is_success else None


def _get(http: httpx.Client, path: str, **parameters: str | int) -> httpx.Response:
    return http.get(path, params=parameters).raise_for_status()


def _log_lines(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the workers logged, with the name of the file; lines that a kill or a full disk tore are left out."""
    for path in sorted(folder.glob("worker-*.log")):
        for text in path.read_text("utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            if isinstance(line, dict) and "event" in line:
                yield path.name, line


def _garbage(cluster: Cluster) -> Garbage:
    database = Database(cluster.database_url)
    with database.reading() as session:
        named = {*session.scalars(select(ArtifactTable.key)), *session.scalars(select(ModelFileTable.key))}
        ended = set(session.scalars(select(JobTable.id).where(JobTable.state.in_(ENDED))))
    database.dispose()
    storage = cluster.data_dir / "storage"
    files = {str(path.relative_to(storage)): path for path in storage.rglob("*") if path.is_file()}
    left = [path for key, path in files.items() if key not in named]
    folders = [path for kind in ("attempts", "checkpoints") for path in (cluster.data_dir / kind).iterdir()]
    of_ended = [
        folder for folder in folders if folder.name in ended and any(path.is_file() for path in folder.rglob("*"))
    ]
    return Garbage(len(left), sum(path.stat().st_size for path in left), len(of_ended))
