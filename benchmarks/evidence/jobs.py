"""Jobs that a benchmark waits for, and where what they found is kept."""

import json
from pathlib import Path

from benchmarks.evidence.tasks import Job
from benchmarks.service_figures.serving import ROOT, Service, wait_until

RESULTS = ROOT / "benchmarks" / "results" / "experiments"
PATIENCE_SECONDS = 3 * 3600.0


def ended(service: Service, body: Job) -> Job:
    """A job that has succeeded."""
    return awaited(service, service.submit(body))


def awaited(service: Service, id: str) -> Job:
    """One that was submitted before, once it has succeeded."""
    wait_until(lambda: service._has_ended(id), what=f"for {id}", patience_seconds=PATIENCE_SECONDS)
    job = service.job(id)
    if job["state"] != "succeeded":
        raise RuntimeError(f"{job['name']} is {job['state']}: {job['error']}")
    return job


def save(content: Job, path: Path) -> None:
    """As JSON that can be read and compared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
