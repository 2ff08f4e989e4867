"""The checker of the fault harness: a whole history passes, and each planted breach of a promise is found."""

from dataclasses import replace

import pytest

from benchmarks.fault_harness.checker import violations
from benchmarks.fault_harness.recording import Claim, Event, JobRecord, Outcome, Recording, Sample

STEPS = 30  #: 10 in each block below; the second is taken twice, since the first worker was lost after it


def state(seq: int, to: str, previous: str | None, *, attempt: int = 1, error: dict | None = None) -> Event:
    data = {"state": to, "previous": previous} | ({"error": error} if error else {})
    return Event(seq, "state", float(seq), attempt, data)


def steps(seq: int, first: int, *, attempt: int = 1, loss: float = 0.5) -> Event:
    return Event(seq, "steps", float(seq), attempt, {"phase": "training", "first_step": first, "loss": [loss] * 10})


HISTORY = (
    state(1, "queued", None, attempt=0),
    state(2, "running", "queued"),
    steps(3, 0),
    Event(4, "checkpoint", 4.0, 1, {"step": 10, "best": False}),
    steps(5, 10),
    state(6, "queued", "running"),
    Event(7, "log", 7.0, 1, {"level": "warning", "message": "The worker was not heard from for 2 s."}),
    state(8, "running", "queued", attempt=2),
    steps(9, 10, attempt=2),
    steps(10, 20, attempt=2),
    state(11, "succeeded", "running", attempt=2),
)
WHOLE = JobRecord(
    id="job_1",
    tag="tag_1",
    state="succeeded",
    steps_needed=STEPS,
    events=HISTORY,
    outcome=Outcome(has_result=True, metric_steps=tuple(range(STEPS)), files={"weights.safetensors": True}),
)


def recording(*jobs: JobRecord, **facts: object) -> Recording:
    return Recording(**{"acknowledged": {"tag_1": "job_1"}, "jobs": list(jobs)} | facts)


def rules(recorded: Recording) -> set[str]:
    return {violation.rule for violation in violations(recorded)}


def with_events(*events: Event, **changes: object) -> JobRecord:
    return replace(WHOLE, events=events, **changes)


def test_a_whole_history_passes():
    samples = [Sample("job_1", "running", 1, 2, "host:0"), Sample("job_1", "succeeded", 2, 11, None)]
    claims = [Claim("job_1", 1, "host:0"), Claim("job_1", 2, "host:1")]
    assert violations(recording(WHOLE, samples=samples, claims=claims)) == []


class TestOneJob:
    """Each case is the whole history with one thing changed."""

    @pytest.mark.parametrize(
        ("rule", "events"),
        [
            pytest.param(
                "did not end once", (*HISTORY, state(12, "succeeded", "running", attempt=2)), id="ended twice"
            ),
            pytest.param("did not end once", (*HISTORY, steps(12, 20, attempt=2)), id="written after its end"),
            pytest.param("did not end once", HISTORY[:-1], id="no end"),
            pytest.param("did not end once", (*HISTORY[:-1], state(11, "failed", "running")), id="another end"),
            pytest.param("gap", (*HISTORY[:3], *HISTORY[4:]), id="an event is missing"),
            pytest.param("gap", (*HISTORY[:4], replace(HISTORY[3], time=4.5), *HISTORY[4:]), id="a seq twice"),
            pytest.param("states do not join", (*HISTORY[:5], *HISTORY[6:]), id="a state is missing"),
            pytest.param("attempts", (*HISTORY[:9], steps(10, 20, attempt=1), HISTORY[10]), id="an attempt back"),
            pytest.param("attempts", (HISTORY[0], *HISTORY[7:]), id="an attempt left out"),
        ],
    )
    def test_a_broken_history_is_found(self, rule, events):
        assert rule in rules(recording(with_events(*events)))

    @pytest.mark.parametrize(
        ("events", "what"),
        [
            pytest.param(
                (*HISTORY[:9], steps(10, 10, attempt=2), HISTORY[10]), "begins at step 10, not 20", id="interleaved"
            ),
            pytest.param(
                (*HISTORY[:8], replace(HISTORY[8], time=7.5), *HISTORY[9:]),
                "0.500 s before attempt 2 began",
                id="of an earlier attempt",
            ),
            pytest.param(
                (*HISTORY[:6], steps(7, 20), *HISTORY[7:]), "while nobody held the job", id="between two attempts"
            ),
        ],
    )
    def test_a_second_writer_is_found(self, events, what):
        found = violations(recording(with_events(*events)))
        assert any(violation.rule == "two writers" and what in violation.what for violation in found)

    def test_steps_may_begin_again_after_a_rewind(self):
        rewind = Event(10, "rewind", 10.0, 2, {"to_step": 0, "reason": "diverged"})
        again = [steps(seq, first, attempt=2, loss=0.4) for seq, first in ((11, 0), (12, 10), (13, 20))]
        job = with_events(*HISTORY[:9], rewind, *again, state(14, "succeeded", "running", attempt=2))
        assert violations(recording(job)) == []

    def test_a_step_that_came_out_differently_is_found(self):
        job = with_events(*HISTORY[:8], steps(9, 10, attempt=2, loss=0.25), *HISTORY[9:])
        (found,) = violations(recording(job))
        assert found.rule == "recomputed differently"
        assert "step 10 came to a loss of 0.5, and again in attempt 2 to 0.25" in found.what

    @pytest.mark.parametrize(
        ("outcome", "what"),
        [
            pytest.param({"has_result": False}, "no result", id="no result"),
            pytest.param({"files": {}}, "no model", id="no model"),
            pytest.param({"files": {"weights.safetensors": False}}, "not what was recorded", id="another content"),
            pytest.param({"metric_steps": (*range(10), *range(20, 30))}, "have 20 steps (20 different)", id="a hole"),
            pytest.param({"metric_steps": (*range(30), 29)}, "have 31 steps (30 different)", id="a step twice"),
        ],
    )
    def test_an_incomplete_success_is_found(self, outcome, what):
        (found,) = violations(recording(replace(WHOLE, outcome=replace(WHOLE.outcome, **outcome))))
        assert found.rule == "not whole"
        assert what in found.what

    @pytest.mark.parametrize(("retryable", "expected"), [(False, {"failed unjustly"}), (True, set())])
    def test_a_failure_must_be_crash_after_crash(self, retryable, expected):
        error = {"code": "worker_lost", "retryable": retryable}
        end = state(11, "failed", "running", attempt=2, error=error)
        assert rules(recording(with_events(*HISTORY[:-1], end, state="failed", error=error))) == expected


class TestAllJobs:
    def test_a_lost_job_is_found(self):
        (found,) = violations(recording())
        assert (found.rule, found.job_id) == ("lost", "job_1")

    def test_a_submission_that_made_two_jobs_is_found(self):
        (found,) = violations(recording(WHOLE, replace(WHOLE, id="job_2")))
        assert (found.rule, found.job_id) == ("accepted twice", "job_2")

    def test_a_fence_given_twice_is_found(self):
        claims = [Claim("job_1", 1, "host:0"), Claim("job_1", 2, "host:0"), Claim("job_1", 2, "host:1")]
        (found,) = violations(recording(WHOLE, claims=claims))
        assert found.what == "the fence 2 was given to host:0 and to host:1"

    @pytest.mark.parametrize(("fence", "seq"), [pytest.param(1, 9, id="fence"), pytest.param(2, 7, id="seq")])
    def test_a_row_that_goes_back_is_found(self, fence, seq):
        samples = [Sample("job_1", "running", 2, 8, "host:1"), Sample("job_1", "running", fence, seq, "host:1")]
        assert rules(recording(WHOLE, samples=samples)) == {"went back"}

    def test_a_row_that_changes_after_its_end_is_found(self):
        samples = [Sample("job_1", "failed", 1, 9, None), Sample("job_1", "succeeded", 2, 11, None)]
        assert rules(recording(WHOLE, samples=samples)) == {"changed after its end"}

    def test_a_cancellation_that_was_answered_and_came_to_nothing_is_found(self):
        asked = {"asked_to_cancel": {"job_1"}, "cancelled": {"job_1"}}
        assert rules(recording(WHOLE, **asked)) == {"not cancelled"}

    def test_a_cancellation_that_nobody_asked_for_is_found(self):
        job = with_events(*HISTORY[:-1], state(11, "cancelled", "running", attempt=2), state="cancelled")
        assert rules(recording(job)) == {"cancelled unasked"}
        assert rules(recording(job, asked_to_cancel={"job_1"})) == set()

    def test_a_service_that_does_not_recover_is_found(self):
        assert rules(recording(WHOLE, missing="worker: no worker was heard from")) == {"not ready again"}

    def test_an_answer_that_nobody_should_get_is_found(self):
        assert rules(recording(WHOLE, answers=["GET /v1/jobs was answered with 500: "])) == {"odd answer"}
