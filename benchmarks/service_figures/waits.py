"""How long one waits: from sending a job to its first optimizer steps, and from cancelling it to its end."""

import random
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from app.domain.lifecycle import JobState
from benchmarks.service_figures.serving import SHORT, Job, Service
from benchmarks.service_figures.showing import say, show

#: Steps of some ten milliseconds, and no end: the network that the presets train.
LONG: Job = SHORT | {"architecture": {"name": "resnet9", "width": 16}, "epochs": 1000}


def measure_first_steps(service: Service, *, rounds: int, dice: random.Random) -> None:
    """With everything warm. An upper bound: the engine reports its first steps together, five of them."""
    with service.workers():
        waits = [_first_steps_seconds(service, dice) for _ in range(rounds)]
        within = service.setup.first_step_within_seconds
        show("submit to first steps", waits, unit="s", target=f"p95 within {within:g} s")
        say("resident memory of the API process after that", f"{_api_megabytes(service):.0f} MB", target="under 150 MB")


def _first_steps_seconds(service: Service, dice: random.Random) -> float:
    # Any moment is as likely between two looks into an embedded queue, and the worker has tidied up by then.
    time.sleep(dice.uniform(0.3, 0.5))
    sent = time.time()
    id = service.submit(SHORT)
    service.finish(id)
    events: list[dict[str, Any]] = service.http.get(f"/v1/jobs/{id}/events").raise_for_status().json()["items"]
    first = next(event for event in events if event["type"] == "steps")
    return datetime.fromisoformat(first["time"]).timestamp() - sent


def _api_megabytes(service: Service) -> float:
    status = Path(f"/proc/{service.api_pid}/status").read_text("ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def measure_cancel(service: Service, *, rounds: int, dice: random.Random) -> None:
    """Until the job has ended by its record, which is after its process has."""
    with service.workers():
        waits = [_cancel_seconds(service, dice) for _ in range(rounds)]
    show("cancel to stopped", waits, unit="s", target="p95 within 1 s")


def _cancel_seconds(service: Service, dice: random.Random) -> float:
    id = service.submit(LONG)
    service.await_training(id)
    time.sleep(dice.uniform(0, 0.5))
    asked = time.time()
    service.ask(id, "cancel")
    job = service.finish(id, state=JobState.CANCELLED)
    return datetime.fromisoformat(job["finished_at"]).timestamp() - asked
