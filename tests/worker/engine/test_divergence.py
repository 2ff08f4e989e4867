import math

import pytest

from worker.engine.divergence import SweepStop, TrainingGuard


class TestSweepStop:
    @pytest.mark.parametrize(
        ("losses", "expected"),
        [
            ([2, 1, 1, 1], None),
            ([2, 1, 7, 1, 7, 7], None),  # above max(4·1, 3·2) = 6, but never three in a row
            ([2, 1, 7, 7, 7, 1], (5, "diverged")),
            ([2, 1, 5, 5, 5, 5], None),  # above 4 × best, below 3 × initial
            ([2, 1, 7, 7, math.nan], (5, "non_finite")),
            ([math.inf, 2], (1, "non_finite")),
        ],
    )
    def test_rule(self, losses, expected):
        assert SweepStop().look_at(losses) == expected

    def test_counts_across_blocks(self):
        rule = SweepStop()
        assert rule.look_at([2, 1, 7, 7]) is None
        assert rule.look_at([7, 7]) == (1, "diverged")


class TestTrainingGuard:
    # guessing among 10 classes costs ln 10 = 2.30
    @pytest.mark.parametrize(
        ("losses", "trouble"),
        [
            ([2.3, 2.0, 15.0, 9.0, 2.0], None),  # a healthy large rate
            ([2.3, 24, 24, 24, 24, 2], None),  # above 23 only four times
            ([2.3, 24, 24, 24, 24, 24], "24"),
            ([2.3, 231], "231"),  # more than 100 ×
            ([9.0, 231], None),  # began high
            ([2.3, math.nan], "no longer a number"),
            ([math.inf], "no longer a number"),
        ],
    )
    def test_rule(self, losses, trouble):
        said = TrainingGuard(10).look_at(losses)
        assert (trouble in said) if trouble else said is None

    def test_goes_on_after_a_restart(self):
        guard, other = TrainingGuard(10), TrainingGuard(10)
        assert guard.look_at([4.0, 41, 41, 41, 41]) is None
        other.restore(guard.state())
        assert other.look_at([41]) is not None
