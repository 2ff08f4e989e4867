"""How far a job has come."""

from pathlib import Path

import pytest

from worker.engine.events import CheckpointSaved, EpochDone, PhaseStarted, Progress, Resized, StepsDone
from worker.progress import ProgressMeter


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""

    class Clock:
        now = 100.0

    monkeypatch.setattr("worker.progress.time.monotonic", lambda: Clock.now)
    return Clock


def steps(first, count):
    return StepsDone("training", first, [0.1] * count, [0.9] * count, [1.0] * count)


def epoch(number):
    return EpochDone(number, 1.0, 0.5, 1.0, 0.5, 2.0, None)


class TestMeter:
    def test_before_anything_is_known(self):
        meter = ProgressMeter()
        assert meter.phase is None
        assert meter.as_dict() == {
            "step": 0,
            "steps": None,
            "epoch": 0,
            "epochs": None,
            "fraction": 0.0,
            "eta_seconds": None,
            "steps_per_second": None,
            "memory_bytes": None,
        }

    def test_a_sweep_that_goes_on(self):
        meter = ProgressMeter()
        meter.update(PhaseStarted("range_test", steps=100))
        meter.update(steps(0, 100))
        meter.update(Resized("range_test", 125))
        assert (meter.as_dict()["steps"], meter.as_dict()["fraction"]) == (125, 0.8)

    def test_a_training(self, clock):
        meter = ProgressMeter()
        meter.update(PhaseStarted("training", steps=1000, epochs=10))
        assert (meter.phase, meter.as_dict()["fraction"]) == ("training", 0.0)
        clock.now += 20
        meter.update(steps(0, 100))
        meter.update(epoch(1))
        clock.now += 20
        meter.update(steps(100, 100), memory_bytes=5 << 20)
        meter.update(Resized("training", 1000))  # says nothing of memory
        clock.now += 1  # the step that is under way changes nothing
        assert meter.as_dict() == {
            "step": 200,
            "steps": 1000,
            "epoch": 1,
            "epochs": 10,
            "fraction": 0.2,
            "eta_seconds": 160.0,  # 40 s for 200 steps, 800 to go
            "steps_per_second": 5.0,
            "memory_bytes": 5 << 20,
        }

    def test_a_resumed_one_counts_its_own_steps_only(self, clock):
        meter = ProgressMeter()
        meter.update(PhaseStarted("training", steps=1000, epochs=10))
        clock.now += 10
        meter.update(steps(900, 50))
        known = meter.as_dict()
        assert (known["step"], known["fraction"], known["eta_seconds"]) == (
            950,
            0.95,
            10.0,
        )  # 50 steps in 10 s, 50 to go

    def test_a_new_phase_starts_over(self):
        meter = ProgressMeter()
        meter.update(PhaseStarted("range_test", steps=100))
        meter.update(steps(0, 100))
        assert meter.as_dict()["fraction"] == 1.0
        meter.update(PhaseStarted("training", steps=960, epochs=10))
        known = meter.as_dict()
        assert (meter.phase, known["step"], known["steps"], known["epochs"]) == ("training", 0, 960, 10)

    def test_phases_after_the_steps_keep_what_those_reached(self):
        meter = ProgressMeter()
        meter.update(PhaseStarted("training", steps=100, epochs=1))
        meter.update(steps(0, 100))
        meter.update(PhaseStarted("exporting"))
        known = meter.as_dict()
        assert (meter.phase, known["step"], known["steps"], known["fraction"]) == ("exporting", 100, 100, 1.0)

    def test_phases_without_optimizer_steps(self, clock):
        meter = ProgressMeter()
        meter.update(PhaseStarted("preparing"))
        clock.now += 5
        meter.update(Progress(250, 1000))
        known = meter.as_dict()
        assert (known["step"], known["steps"], known["fraction"], known["eta_seconds"]) == (250, 1000, 0.25, 15.0)

    def test_more_steps_than_announced_is_not_more_than_all(self, clock):
        meter = ProgressMeter()
        meter.update(PhaseStarted("range_test", steps=100))
        clock.now += 1
        meter.update(steps(0, 150))  # an extended sweep
        assert (meter.as_dict()["fraction"], meter.as_dict()["eta_seconds"]) == (1.0, 0.0)

    def test_other_events_move_nothing(self):
        meter = ProgressMeter()
        before = meter.as_dict()
        meter.update(CheckpointSaved(5, False, Path("x"), "d"))
        assert meter.as_dict() == before
