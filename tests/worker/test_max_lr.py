"""The largest learning rate is lowered, settled, and read again by the next attempt."""

import pytest

from worker.engine.errors import LrDiverged
from worker.max_lr import MaxLr


def settled(max_lr):
    """What the row holds once it was settled, and the names in the order in which they were said."""
    said = []
    max_lr.settle(said.append)
    facts = {one.name: {"value": one.value, "origin": one.origin, "reason": one.reason} for one in said}
    return facts, [one.name for one in said]


class TestSettled:
    def test_nothing_is_known_before_the_search_is_over(self):
        assert MaxLr.of_resolved({"search_steps": {"value": 100}, "fallback_max_lr": {"value": 0.1}}) is None

    @pytest.mark.parametrize(
        ("max_lr", "names"),
        [
            (MaxLr(0.5, "Why.", search_steps=7), ["search_steps", "max_lr"]),
            (MaxLr(0.5, "Why.", search_steps=7, restarts=1), ["search_steps", "restarts", "max_lr"]),
            (
                MaxLr(0.5, "Why.", search_steps=7, restarts=1, origin="verification", fallback=0.1),
                ["search_steps", "fallback_max_lr", "restarts", "max_lr"],
            ),
        ],
    )
    def test_is_known_as_it_was_said_with_max_lr_last(self, max_lr, names):
        facts, said = settled(max_lr)
        assert said == names
        assert MaxLr.of_resolved(facts) == max_lr


class TestLowered:
    @pytest.mark.parametrize(
        ("fallback", "rates", "source"),
        [
            (None, [0.3, 0.1], "a third of it"),  # 0.9 / 3, / 9
            (0.06, [0.06, 0.02], "own rule reads off the same range test"),  # below 0.3; then a third of it
            (0.5, [0.3, 0.1], "a third of it"),  # above 0.3, and above 0.1
            (0.2, [0.2, 0.2 / 3], "own rule reads off the same range test"),  # never the same rate twice
        ],
    )
    def test_to_a_third_or_to_our_own_rules_rate_where_that_is_less(self, fallback, rates, source):
        first = MaxLr(0.9, "Why.", fallback=fallback).lowered(LrDiverged("It broke."), lost_steps=5)
        second = first.lowered(LrDiverged("It broke again."), lost_steps=2)
        assert [first.value, second.value] == pytest.approx(rates)
        assert first.reason.startswith(f"Why. Training at 0.9 diverged, so it began again at {rates[0]:.2g}, ")
        assert first.reason.endswith(f"{source}. It broke.")
        assert second.reason.endswith("a third of it. It broke again.")
        assert (second.search_steps, second.restarts) == (7, 2)

    def test_no_third_time(self):
        with pytest.raises(LrDiverged, match=r"lowered 2 times, to 0\.1\. It broke\.") as caught:
            MaxLr(0.1, restarts=2).lowered(LrDiverged("It broke."), lost_steps=1)
        assert "a number below 0.1, or" in caught.value.hint
        assert 'has 400 optimizer steps or more, set it to "best"' in caught.value.hint
