"""What the faults cost: how long until trainings went on, and how much was computed again."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from benchmarks.fault_harness.recording import Fault, JobRecord, Recording


def recovery_seconds(recording: Recording) -> dict[str, list[float]]:
    """By kind of fault: from the fault to the next training event of each job that it hit.

    Where the fault ended the attempt, that is the next attempt's first block of steps, or its success where no step
    was left. A job that was paused or cancelled meanwhile tells nothing.
    """
    jobs = {job.id: job for job in recording.jobs}
    found: dict[str, list[float]] = defaultdict(list)
    for fault in recording.faults:
        for id, fence in fault.hit.items():
            seconds = _recovery(jobs[id], fault, fence) if id in jobs else None
            if seconds is not None:
                found[fault.kind].append(seconds)
    return found


def _recovery(job: JobRecord, fault: Fault, fence: int) -> float | None:
    first = fence + 1 if fault.ends_attempts else fence
    for event in job.events:
        if event.time <= fault.began:
            continue
        if event.state in ("pausing", "paused", "cancelling", "cancelled", "failed"):
            return None
        # Fence and attempt both grow by one with each claim.
        if event.attempt >= first and (event.steps or event.state == "succeeded"):
            return event.time - fault.began
    return None


def recomputed_share(jobs: Iterable[JobRecord]) -> float:
    """Steps in the histories over different steps, less one; what was lost before it was written is not seen."""
    trained = different = 0
    for job in jobs:
        steps = [step for event in job.events for step in event.steps]
        trained += len(steps)
        different += len(set(steps))
    return trained / different - 1 if different else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def table(recording: Recording) -> list[tuple[str, str]]:
    """The figures of a run, in words."""
    states = Counter(job.state for job in recording.jobs)
    kinds = Counter(fault.kind for fault in recording.faults)
    recoveries = recovery_seconds(recording)
    garbage = recording.garbage
    return [
        ("faults", f"{len(recording.faults)} in {recording.seconds:.0f} s"),
        *((f"  {kind}", f"{count}{_in_words(recoveries.get(kind, []))}") for kind, count in kinds.most_common()),
        *((f"  {kind}", f"left out: {reason}") for kind, reason in recording.skipped.items()),
        ("jobs", f"{len(recording.jobs)}: " + ", ".join(f"{count} {state}" for state, count in states.items())),
        ("all recoveries", _in_words([value for values in recoveries.values() for value in values]).lstrip("; ")),
        ("recomputed", f"{recomputed_share(recording.jobs):.1%} of the steps"),
        ("refused by the fence", f"{recording.zombies_refused} attempts"),
        ("stored without a word", f"{recording.stored_without_word} jobs, found by their tag"),
        ("garbage", f"{garbage.objects} objects ({garbage.bytes / 1e6:.1f} MB), {garbage.folders} folders"),
    ]


def _in_words(seconds: list[float]) -> str:
    if not seconds:
        return ""
    middle, high = statistics.median(seconds), percentile(seconds, 0.99)
    words = f"{middle:.1f} s (median), {high:.1f} s (p99), {max(seconds):.1f} s (largest)"
    return f"; going on after {words}, n = {len(seconds)}"
