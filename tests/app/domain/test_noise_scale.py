import math

import numpy as np
import pytest

from app.domain.noise_scale import image_progress, noise_scale, step_progress, worthwhile_batch


class TestNoiseScale:
    def test_is_exact_for_expected_norms(self):
        """|G_B|² is on average |G|² + tr(Σ) / B: with 4 and 800, the scale is 200."""
        small, big = 4 + 800 / 16, 4 + 800 / 128
        assert noise_scale(small, big, small_size=16, big_size=128) == pytest.approx(200)

    def test_of_drawn_gradients(self):
        """True gradient of square 1, noise of variance 0.5 in each of 100 numbers: tr(Σ) / |G|² = 50."""
        dice = np.random.default_rng(0)
        true = np.full(100, 0.1)
        parts = true + dice.normal(0, math.sqrt(0.5), (200, 8, 16, 100)).mean(2)  # of 16 examples each
        small, big = (parts**2).sum(-1).mean(), (parts.mean(1) ** 2).sum(-1).mean()
        assert noise_scale(small, big, small_size=16, big_size=128) == pytest.approx(50, rel=0.1)

    def test_nothing_but_noise_is_infinite(self):
        assert noise_scale(16.0, 1.0, small_size=16, big_size=128) == math.inf  # (128 × 1 - 16 × 16) / 112 < 0

    def test_of_parts_that_agree_is_a_single_image(self):
        assert noise_scale(4.0, 4.1, small_size=16, big_size=128) == 1  # no batch is smaller


class TestProgress:
    @pytest.mark.parametrize(("size", "step", "image"), [(40, 0.5, 0.5), (120, 0.75, 0.25), (10, 0.2, 0.8)])
    def test_meets_at_the_noise_scale(self, size, step, image):
        """Of a scale of 40: 1 / (1 + 40 / 120) by the step, and 1 / (1 + 120 / 40) by the image."""
        assert step_progress(size, 40) == pytest.approx(step)
        assert image_progress(size, 40) == pytest.approx(image)


class TestWorthwhile:
    @pytest.mark.parametrize(
        ("noise", "images", "expected"),
        [
            (200, 50_000, 128),
            (256, 50_000, 256),
            (255.9, 50_000, 128),
            (3, 50_000, 16),
            (math.inf, 50_000, 1024),
            (5000, 700, 512),
            (5000, 10, 10),
            (-5, 50_000, 16),
        ],
    )
    def test_is_a_power_of_two_within_bounds_and_data(self, noise, images, expected):
        assert worthwhile_batch(noise, images=images) == expected
