"""The time limit of a job, as the attempt that reaches it sees it."""

import time
from dataclasses import dataclass

from app.db.tables import JobTable


@dataclass(frozen=True)
class TimeLimit:
    """When this attempt has used up what earlier ones left of the job's `max_runtime_seconds`."""

    seconds: float | None
    deadline: float  #: by this process's monotonic clock
    fails: bool  #: rather than putting the job aside

    @classmethod
    def of(cls, job: JobTable) -> "TimeLimit":
        """Of a job that was claimed just now."""
        left = float("inf") if job.max_runtime_seconds is None else job.max_runtime_seconds - job.ran_seconds
        return cls(job.max_runtime_seconds, time.monotonic() + left, job.on_time_limit == "fail")

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.deadline

    @property
    def reason(self) -> str:
        """What happened, in words."""
        return f"The job has run for its max_runtime_seconds, {self.seconds:g} s; resuming it gives it as much again."

    def error(self) -> dict[str, str]:
        """The error of a job that was to fail at its limit."""
        detail = f"The job has run for its max_runtime_seconds, {self.seconds:g} s, and was to fail then."
        hint = 'Allow more, or submit it with "on_time_limit": "pause" and resume it.'
        return {"code": "time_limit", "title": "The time limit was reached", "detail": detail, "hint": hint}
