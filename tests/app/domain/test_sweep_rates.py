"""The learning rates of a range test."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.schedules import sweep_rates
from app.domain.specs import RangeTestSpec


class TestSweepRates:
    def test_exponential_multiplies(self):
        assert sweep_rates(1e-4, 1.0, 5, "exponential") == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])

    def test_linear_adds(self):
        assert sweep_rates(1.0, 3.0, 5, "linear") == pytest.approx([1, 1.5, 2, 2.5, 3])

    @pytest.mark.parametrize(("optimizer", "below"), [("sgd", 0.1), ("adamw", 0.01)])
    @pytest.mark.parametrize("steps", [100, 200, 300])
    def test_linear_leaves_one_point_per_hundred_for_the_small_rates(self, optimizer, below, steps):
        spec = RangeTestSpec(kind="range_test", dataset="digits", architecture="mlp", optimizer=optimizer)
        small = [rate for rate in sweep_rates(*spec.bounds, steps, "linear") if rate < below]
        assert len(small) == steps / 100  # of 10 from 0, 0.1 is a hundredth; as 0.01 is of 1

    @given(
        start=st.floats(1e-9, 1), factor=st.floats(1.001, 1e9), steps=st.integers(2, 300),
        kind=st.sampled_from(["exponential", "linear"]),
    )  # fmt: skip
    def test_rises_and_hits_both_ends(self, start, factor, steps, kind):
        rates = sweep_rates(start, start * factor, steps, kind)
        assert (rates[0], rates[-1], len(rates)) == (start, start * factor, steps)
        assert rates == sorted(set(rates))

    @pytest.mark.parametrize(("start", "end", "steps"), [(0, 1, 9), (1, 1, 9), (2, 1, 9), (1, math.inf, 9), (1, 2, 1)])
    def test_refuses_what_does_not_rise(self, start, end, steps):
        with pytest.raises(ValueError, match="a sweep rises"):
            sweep_rates(start, end, steps, "exponential")
