"""Finds in a recording whatever breaks a promise: a job lost, ended twice, written by two, or not whole."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.fault_harness.recording import ENDED, HELD, JobRecord, Recording
from benchmarks.fault_harness.writers import overlapping_writers, recomputed_differently


@dataclass(frozen=True)
class Violation:
    """A promise that was broken; `job_id` is empty where no job is known."""

    rule: str
    job_id: str
    what: str


def violations(recording: Recording) -> list[Violation]:
    """All of them."""
    found = [violation for check in _OF_RUNS for violation in check(recording)]
    for job in recording.jobs:
        found += [Violation(rule, job.id, what) for rule, check in _OF_JOBS.items() for what in check(job)]
    return found


def _lost(recording: Recording) -> Iterator[Violation]:
    known = {job.id for job in recording.jobs}
    for tag, id in recording.acknowledged.items():
        if id not in known:
            yield Violation("lost", id, f"the submission {tag} was accepted, and the job is not there")


def _accepted_twice(recording: Recording) -> Iterator[Violation]:
    for tag, count in Counter(job.tag for job in recording.jobs).items():
        if count > 1:
            ids = [job.id for job in recording.jobs if job.tag == tag]
            yield Violation("accepted twice", ids[-1], f"one submission made {count} jobs: {', '.join(ids)}")


def _claimed_twice(recording: Recording) -> Iterator[Violation]:
    for (id, fence), count in Counter((claim.job_id, claim.fence) for claim in recording.claims).items():
        if count > 1:
            workers = [claim.worker for claim in recording.claims if (claim.job_id, claim.fence) == (id, fence)]
            yield Violation("claimed twice", id, f"the fence {fence} was given to {' and to '.join(workers)}")


def _fence_went_back(recording: Recording) -> Iterator[Violation]:
    last: dict[str, tuple[int, int]] = {}
    for sample in recording.samples:
        fence, seq = last.get(sample.job_id, (0, 0))
        if sample.fence < fence or sample.last_seq < seq:
            now = f"fence {sample.fence}, seq {sample.last_seq}"
            yield Violation("went back", sample.job_id, f"the row had fence {fence}, seq {seq}, and then {now}")
        last[sample.job_id] = sample.fence, sample.last_seq


def _changed_after_its_end(recording: Recording) -> Iterator[Violation]:
    ended: dict[str, tuple[str, int, int]] = {}
    for sample in recording.samples:
        now = (sample.state, sample.fence, sample.last_seq)
        if ended.get(sample.job_id, now) != now:
            yield Violation("changed after its end", sample.job_id, f"from {ended[sample.job_id]} to {now}")
        if sample.state in ENDED:
            ended[sample.job_id] = now


def _cancelled_unasked(recording: Recording) -> Iterator[Violation]:
    for job in recording.jobs:
        if job.state == "cancelled" and job.id not in recording.asked_to_cancel:
            yield Violation("cancelled unasked", job.id, "nobody asked to cancel it")
        if job.id in recording.cancelled and job.state != "cancelled":
            yield Violation("not cancelled", job.id, f"its cancellation was answered with 200, and it is {job.state}")


def _not_ready_again(recording: Recording) -> Iterator[Violation]:
    if recording.missing:
        yield Violation("not ready again", "", f"long after the last fault: {recording.missing}")


def _odd_answers(recording: Recording) -> Iterator[Violation]:
    yield from (Violation("odd answer", "", answer) for answer in recording.answers)


_OF_RUNS: tuple[Callable[[Recording], Iterator[Violation]], ...] = (
    _lost,
    _accepted_twice,
    _claimed_twice,
    _fence_went_back,
    _changed_after_its_end,
    _cancelled_unasked,
    _not_ready_again,
    _odd_answers,
)


def _has_gaps(job: JobRecord) -> Iterator[str]:
    seqs = [event.seq for event in job.events]
    if seqs != list(range(1, len(seqs) + 1)):
        wrong = next(index for index, seq in enumerate(seqs, 1) if seq != index)
        yield f"event {wrong} of {len(seqs)} has seq {seqs[wrong - 1]}"


def _did_not_end_once(job: JobRecord) -> Iterator[str]:
    ends = [event for event in job.events if event.state in ENDED]
    if not ends:
        yield f"it is {job.state} and has no end in its history"
    elif len(ends) > 1:
        yield "it ended more than once: " + ", ".join(f"{event.state} at seq {event.seq}" for event in ends)
    elif ends[0] is not job.events[-1]:
        yield f"after its end at seq {ends[0].seq} the history goes on to seq {job.events[-1].seq}"
    elif ends[0].state != job.state:
        yield f"it is {job.state}, and its history ends with {ends[0].state}"


def _states_do_not_join(job: JobRecord) -> Iterator[str]:
    state = None
    for event in job.events:
        if event.type == "state":
            if event.data["previous"] != state:
                yield f"seq {event.seq} comes from {event.data['previous']}, but the job was {state}"
            state = event.state


def _attempts_went_back(job: JobRecord) -> Iterator[str]:
    attempt, state = 0, None
    for event in job.events:
        is_claim = event.state == "running" and state not in HELD
        if event.attempt != attempt + is_claim:
            yield f"seq {event.seq} is of attempt {event.attempt}, after attempt {attempt}"
        attempt, state = event.attempt, event.state or state


def _is_not_whole(job: JobRecord) -> Iterator[str]:
    if job.state != "succeeded":
        return
    steps = list(job.outcome.metric_steps)
    if not job.outcome.has_result:
        yield "it has no result"
    if steps != list(range(job.steps_needed)):
        yield f"its metrics have {len(steps)} steps ({len(set(steps))} different), not each of {job.steps_needed}"
    if not job.outcome.files:
        yield "it has no model"
    yield from (f"{name} is not what was recorded" for name, is_same in job.outcome.files.items() if not is_same)


def _failed_unjustly(job: JobRecord) -> Iterator[str]:
    """Nothing is wrong with the jobs, so only crash after crash without progress may end one."""
    if job.state == "failed" and not (job.error or {}).get("retryable"):
        yield f"it failed with {job.error}"


_OF_JOBS: dict[str, Callable[[JobRecord], Iterator[str]]] = {
    "gap": _has_gaps,
    "did not end once": _did_not_end_once,
    "states do not join": _states_do_not_join,
    "attempts": _attempts_went_back,
    "two writers": overlapping_writers,
    "recomputed differently": recomputed_differently,
    "not whole": _is_not_whole,
    "failed unjustly": _failed_unjustly,
}
