"""Which learning rates and momenta a training really uses, and which it tells."""

import pytest

from app.domain.schedules import build_schedule
from worker.engine.events import StepsDone
from worker.engine.training import train


@pytest.fixture
def told(spec_of, prepared, striped, tmp_path, control):
    """Train 4 epochs of 3 steps; the columns that were told, and the losses."""

    def start(**fields):
        spec = spec_of(epochs=4, **fields)
        schedule = build_schedule(spec.schedule, max_lr=0.1)
        train(prepared(spec, striped), spec, schedule=schedule, control=control, folder=tmp_path, resume=None)
        blocks = control.of(StepsDone)
        columns = [
            [value for block in blocks for value in getattr(block, name)] for name in ("learning_rate", "momentum")
        ]
        right = [schedule.at(step, 12) for step in range(12)]
        return columns, right, control.losses

    return start


class TestBeta1:
    @pytest.mark.parametrize("optimizer", ["adam", "adamw"])
    def test_is_cycled_when_asked(self, told, optimizer):
        (_, momenta), right, _ = told(optimizer=optimizer, schedule={"cycle_beta1": True})
        assert momenta == pytest.approx([momentum for _, momentum in right])
        assert (momenta[0], min(momenta)) == (0.95, pytest.approx(0.85, abs=0.01))

    def test_is_the_users_otherwise(self, told):
        (_, momenta), _, _ = told(optimizer={"name": "adamw", "beta1": 0.8})
        assert momenta == [0.8] * 12


class TestRatesByDepth:
    def test_the_heads_is_told_and_the_others_are_smaller(self, told, control):
        (rates, _), right, decayed = told(layer_lr_decay=0.1)
        assert rates == pytest.approx([rate for rate, _ in right])
        control.events.clear()
        _, _, plain = told()
        assert decayed[0] == plain[0]
        assert decayed[1:] != plain[1:]
