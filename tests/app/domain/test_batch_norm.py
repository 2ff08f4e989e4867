import math

import pytest

from app.domain.batch_norm import Comparison, Followed, momenta_around, rule_momentum, why_rule


class TestRule:
    @pytest.mark.parametrize(
        ("updates", "expected"),
        [
            (1, 0.4),
            (1375, 0.4),  # 550 / 1375
            (2750, 0.2),
            (5500, 0.1),
            (10_000, 0.055),
            (55_000, 0.01),
            (80_000, 0.01),  # 0.0069, clipped
        ],
    )
    def test_is_550_over_the_batches_within_bounds(self, updates, expected):
        assert rule_momentum(updates) == pytest.approx(expected)

    def test_says_where_it_was_clipped(self):
        assert "kept within 0.01 and 0.4" in why_rule(100)
        assert "kept within" not in why_rule(10_000)

    def test_candidates_lie_around_it_with_itself_first(self):
        assert momenta_around(0.04) == pytest.approx([0.04, 0.01, 0.02, 0.08, 0.16])
        assert momenta_around(0.4) == pytest.approx([0.4, 0.1, 0.2, 0.8, 1.0])  # 1.6 is no share


def compared(*losses, exact=0.5):
    followed = [Followed(momentum, loss, 0.9) for momentum, loss in zip(momenta_around(0.1), losses, strict=True)]
    return Comparison(followed, exact, 0.91)


class TestPick:
    @pytest.mark.parametrize(
        ("losses", "picked"),
        [
            ((0.6, 0.9, 0.55, 0.8, 0.7), 0.05),  # gaps .1 .4 .05 .3 .2
            ((0.6, 0.45, 0.3, 0.8, 0.7), 0.025),  # .05 below is closer than .1 above
            ((0.6, 0.6, 0.6, 0.6, 0.6), 0.1),  # the rule's wins a tie
            ((math.nan, 0.9, 0.7, math.inf, 0.8), 0.05),  # what is no number is never close
        ],
    )
    def test_is_the_smallest_gap(self, losses, picked):
        assert compared(*losses).picked.momentum == pytest.approx(picked)

    def test_a_result_is_read_as_it_was(self):
        found = compared(0.6, 0.9, 0.55, 0.8, 0.7)
        again = Comparison.of(found.as_dict())
        assert again.as_dict() == found.as_dict()
        assert again.followed[0] == found.followed[0]  # the rule's

    def test_a_loss_that_was_no_number_is_none_again(self):
        found = compared(0.6, 0.9, 0.55, 0.8, 0.7).as_dict()
        found["momenta"][0]["validation_loss"] = None
        assert math.isnan(Comparison.of(found).followed[1].loss)

    def test_result_has_every_momentum_rising_with_its_gap(self):
        found = compared(0.6, 0.9, 0.55, 0.8, 0.7).as_dict()
        assert found["rule"] == 0.1
        assert found["momentum"] == 0.05
        assert found["exact"] == {"validation_loss": 0.5, "validation_accuracy": 0.91}
        assert [one["momentum"] for one in found["momenta"]] == [0.025, 0.05, 0.1, 0.2, 0.4]
        assert [one["gap"] for one in found["momenta"]] == pytest.approx([0.4, 0.05, 0.1, 0.3, 0.2])
        assert found["momenta"][1] == {
            "momentum": 0.05, "validation_loss": 0.55, "validation_accuracy": 0.9, "gap": pytest.approx(0.05),
        }  # fmt: skip

    def test_reason_has_the_gaps(self):
        assert "0.025: 0.4, 0.05: 0.05, 0.1: 0.1" in compared(0.6, 0.9, 0.55, 0.8, 0.7).reason
