"""What a report needs to know of a job, read from its row and its history by the keeper."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from app.db.tables import JobEventTable, JobTable
from app.domain.lifecycle import JobState
from app.jobs.family import worked_seconds
from app.jobs.metrics import collect
from app.jobs.repository import Entry, JobRepository

SEARCHING = ("range_test", "verifying")
FACTS = ("id", "kind", "state", "error", "spec", "resolved", "result", "source_id", "model_id")
MOST_POINTS = 400  #: of a sweep


def record_of(job: JobTable, jobs: JobRepository) -> dict[str, Any]:
    """One job as plain data. The history of one that took over a result is that of the job which has it."""
    origin = job.resolved.get("reused", {}).get("value", job.id)
    facts = {name: getattr(job, name) for name in FACTS} | {"key": job.child_key}
    history = collect(_last_run(jobs.entries(origin, types=["epoch", "rewind"])), "training", series=[], max_points=2)
    timed = {
        "seconds": jobs.session.scalar(select(worked_seconds()).where(JobTable.id == job.id)),
        "search_seconds": _search_seconds(jobs.events(origin, types=["phase", "state"])),
    }
    return facts | timed | {"epochs": history.epochs, "steps": _steps(jobs, origin), "sweep": _sweep(job, jobs, origin)}


def _sweep(job: JobTable, jobs: JobRepository, origin: str) -> dict[str, Any] | None:
    """The curve of a range test."""
    if job.kind != "range_test" or job.state != JobState.SUCCEEDED:
        return None
    return dict(collect(jobs.entries(origin, types=["steps"]), "range_test", series=[], max_points=MOST_POINTS).steps)


def _last_run(entries: list[Entry]) -> list[Entry]:
    """What came after the training began again for the last time, which is always from its first step."""
    rewinds = [place for place, entry in enumerate(entries) if entry.type == "rewind"]
    return entries[rewinds[-1] + 1 :] if rewinds else entries


def _steps(jobs: JobRepository, id: str) -> int:
    """How many optimizer steps the last phase that counts them has taken."""
    wanted = select(JobEventTable.data).where(JobEventTable.job_id == id, JobEventTable.type == "steps")
    last = jobs.session.scalar(wanted.order_by(JobEventTable.seq.desc()).limit(1))
    return last["first_step"] + len(last["loss"]) if last else 0


def _search_seconds(events: Sequence[JobEventTable]) -> float:
    """How long the phases lasted in which max_lr was looked for: each until the next one, or until the job rested."""
    lasted = (
        (one.data.get("phase"), (following.time - one.time).total_seconds()) for one, following in pairwise(events)
    )
    return sum(seconds for phase, seconds in lasted if phase in SEARCHING)
