"""How a training finds its max_lr: verified where it has the steps, read off where it has not."""

import pytest

from app.domain.verification import MARGINS
from worker.engine.events import PhaseStarted, StepsDone, Warned
from worker.messages import FileMade, Happened, Settled
from worker.work import run

SPEC = {
    "kind": "training", "dataset": "digits", "architecture": {"name": "mlp", "width": 16}, "precision": "fp32",
    "batch_size": 64, "augmentation": "none",
}  # fmt: skip


class Remembering:
    """A line that keeps what it hears."""

    def __init__(self):
        self.heard = []

    def emit(self, event):
        self.heard.append(event)

    def stop_requested(self):
        return None

    def send(self, message):
        self.heard.append(message.event if isinstance(message, Happened) else message)

    def of(self, kind):
        return [one for one in self.heard if isinstance(one, kind)]

    @property
    def settled(self):
        return {one.name: one for one in self.of(Settled)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, assignment_of):
    """Run a training of the digits; its result and all it said."""

    def work(**changes):
        line = Remembering()
        return run(assignment_of(tmp_path_factory.mktemp("search"), SPEC | changes), line).result, line

    return work


@pytest.fixture(scope="module")
def done(trained):
    """A whole training, which several tests look at."""
    return trained(epochs=20)  # 22 steps each


class TestVerified:
    def test_rate_comes_from_short_cycles_within_the_budget(self, done):
        result, line = done
        trials = line.settled["trials"].value
        swept = sum(len(event.loss) for event in line.of(StepsDone) if event.phase == "range_test")
        assert result["search_steps"] == swept + sum(trial["steps"] for trial in trials) <= 0.3 * 440
        assert len(trials) >= 3
        best = min(trials, key=lambda trial: trial["loss"])["max_lr"]
        assert best / 2 <= line.settled["max_lr"].value * MARGINS.best <= 2 * best
        assert result["best"]["validation_accuracy"] > 0.9

    def test_explains_itself(self, done):
        _, line = done
        assert "Short complete cycles ended with these losses" in line.settled["max_lr"].reason
        phases = [event.phase for event in line.of(PhaseStarted)]
        assert phases == ["preparing", "range_test", "verifying", "training", "evaluating", "exporting"]
        assert "verification.png" in {file.name for file in line.of(FileMade)}

    def test_is_what_the_picture_of_the_sweep_points_at(self, done):
        _, line = done
        picture = next(file.path for file in line.of(FileMade) if file.name == "range_test.svg")
        taken, told = line.settled["max_lr"].value, picture.read_text("utf-8")
        assert told.index("<!-- max_lr -->") < told.index(f"<!-- {taken:.2g} -->")


class TestReadOff:
    def test_short_training_says_that_it_is_not_sure(self, trained):
        result, line = trained(epochs=3)
        assert [warning.code for warning in line.of(Warned)].count("low_confidence") == 1
        assert "fewer than 400 optimizer steps" in line.settled["max_lr"].reason
        assert result["search_steps"] <= 115  # a sweep of 100, and a decade more

    def test_margin_asks_for_no_verification(self, trained):
        _, line = trained(epochs=20, schedule={"pick": "margin"})
        assert "verifying" not in [event.phase for event in line.of(PhaseStarted)]
        assert "fewer than" not in line.settled["max_lr"].reason
