"""LOESS: exact on lines, shifts nothing, takes noise away."""

import numpy as np
import pytest

from app.domain.smoothing import condense, loess, loess_matrix


class TestLoess:
    def test_a_straight_line_stays_as_it_is(self):
        x = np.array([0.0, 1, 2, 4, 8, 9, 10, 30])  # unevenly spaced
        assert loess(x, 3 * x - 2, share=0.5) == pytest.approx(3 * x - 2)

    def test_shifts_no_minimum(self):
        x = np.linspace(-3, 3, 121)
        smooth = loess(x, x**2, share=0.2)
        assert x[smooth.argmin()] == pytest.approx(0, abs=1e-9)
        lagging = np.zeros_like(x)  # what torch-lr-finder's running mean does to the same curve
        for i, value in enumerate(x**2):
            lagging[i] = value if i == 0 else 0.05 * value + 0.95 * lagging[i - 1]
        assert x[lagging.argmin()] > 0.5

    def test_takes_noise_away(self):
        x = np.linspace(0, 6, 200)
        noise = np.random.default_rng(1).normal(0, 0.3, 200)
        left = loess(x, np.sin(x) + noise, share=0.2) - np.sin(x)
        assert left.std() < 0.3 / 2.5  # 40 tricube-weighted points: about 0.3 · √(1.6/40) = 0.06, and some bias

    def test_leaves_out_what_is_not_finite(self):
        x = np.arange(10.0)
        values = 2 * x
        values[[0, 4, 9]] = np.nan, np.inf, -np.inf
        smooth = loess(x, values, share=0.5)
        assert np.isnan(smooth[[0, 4, 9]]).all()
        assert smooth[[1, 2, 3, 5, 6, 7, 8]] == pytest.approx(2 * x[[1, 2, 3, 5, 6, 7, 8]])

    def test_a_long_curve_is_condensed_first(self):
        x = np.linspace(0, 1, 50_000)
        assert loess(x, x + 1, share=0.1)[1000:-1000] == pytest.approx(x[1000:-1000] + 1)

    def test_rows_of_the_matrix_add_up_to_one(self):
        assert loess_matrix(np.sort(np.random.default_rng(0).random(40)), neighbours=7).sum(axis=1) == pytest.approx(1)

    def test_refuses_two_points(self):
        with pytest.raises(ValueError, match="at least 3 points, not 2"):
            loess_matrix(np.array([0.0, 1.0]), neighbours=2)


class TestCondense:
    @pytest.mark.parametrize(
        ("most", "expected"),
        [
            (10, [1, 2, 3, 4, 5]),  # fewer than asked: untouched
            (2, [2, 4.5]),  # (1 + 2 + 3) / 3, (4 + 5) / 2
            (1, [3]),
        ],
    )
    def test_means_of_runs(self, most, expected):
        assert condense(np.array([1.0, 2, 3, 4, 5]), most=most) == pytest.approx(expected)
