"""The figures of the fault harness, on histories small enough to count by hand."""

import pytest

from benchmarks.fault_harness.figures import percentile, recomputed_share, recovery_seconds
from benchmarks.fault_harness.recording import Event, Fault, JobRecord, Recording


def state(seq: int, time: float, to: str, *, attempt: int = 1) -> Event:
    return Event(seq, "state", time, attempt, {"state": to, "previous": None})


def steps(seq: int, time: float, first: int, *, attempt: int = 1) -> Event:
    return Event(seq, "steps", time, attempt, {"phase": "training", "first_step": first, "loss": [0.5] * 10})


# Killed at 12.5: the steps 10 to 19 are taken again by the second attempt, at 16.
EVENTS = (
    state(1, 10.0, "running"),
    steps(2, 11.0, 0),
    steps(3, 12.0, 10),
    state(4, 14.0, "queued"),
    state(5, 15.0, "running", attempt=2),
    steps(6, 16.0, 10, attempt=2),
    steps(7, 17.0, 20, attempt=2),
    state(8, 18.0, "succeeded", attempt=2),
)


def recoveries(kind: str, began: float, *, fence: int = 1, ends_attempts: bool = True) -> list[float]:
    job = JobRecord("job_1", "tag_1", "succeeded", 30, EVENTS)
    fault = Fault(kind, began, {"job_1": fence}, ends_attempts)
    return recovery_seconds(Recording(jobs=[job], faults=[fault]))[kind]


class TestRecovery:
    def test_lasts_until_the_next_attempt_trains(self):
        assert recoveries("kill worker", 12.5) == [3.5]  # 16 - 12.5

    def test_words_of_the_attempt_that_is_lost_do_not_count(self):
        assert recoveries("freeze worker", 11.5) == [4.5]  # 16 - 11.5, though it still said something at 12

    def test_of_another_part_lasts_until_anything_is_trained(self):
        assert recoveries("kill api", 11.5, ends_attempts=False) == [0.5]  # 12 - 11.5

    def test_may_end_with_the_job(self):
        assert recoveries("kill api", 17.5, fence=2, ends_attempts=False) == [0.5]  # 18 - 17.5

    @pytest.mark.parametrize("verb", ["pausing", "cancelling"])
    def test_tells_nothing_of_a_job_that_was_to_stop(self, verb):
        events = (*EVENTS[:3], state(4, 12.6, verb), *EVENTS[4:])
        fault = Fault("kill worker", 12.5, {"job_1": 1}, ends_attempts=True)
        job = JobRecord("job_1", "tag_1", "succeeded", 30, events)
        assert recovery_seconds(Recording(jobs=[job], faults=[fault])) == {}


def test_recomputed_share_counts_steps_taken_again():
    assert recomputed_share([JobRecord("job_1", "tag_1", "succeeded", 30, EVENTS)]) == pytest.approx(1 / 3)  # 40 of 30


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.75, 3.0), (0.99, 4.0), (0.0, 1.0)])
def test_percentile_is_a_value_that_was_measured(share, expected):
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == expected
