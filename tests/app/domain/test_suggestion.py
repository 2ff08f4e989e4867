"""The pick: landmarks where they were put, care where the curve is noisy, words where it says nothing."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.schedules import sweep_rates
from app.domain.suggestion import Suggestion, WarningCode, suggest_learning_rate

RATES = sweep_rates(1e-6, 10.0, 200, "exponential")
DECADES = np.log10(RATES)


def valley_curve(*, noise=0.02, seed=0):
    """Flat at 2.3, falls by 2 around 1e-3, lowest near 1e-1.2, back over 2.3 at about 1e-0.4."""
    fall = 2.0 / (1 + np.exp(-3 * (DECADES + 3)))
    rise = np.exp(np.minimum(6 * (DECADES + 0.5), 50))
    return 2.3 - fall + rise + np.random.default_rng(seed).normal(0, noise, 200)


class TestLowestLoss:
    @pytest.mark.parametrize("noise", [0.01, 0.05])
    def test_is_that_of_the_smooth_curve(self, noise):
        """2.3 - 2 / (1 + exp(-3 × 1.67)) + exp(6 × -.83) = 2.3 - 1.987 + .007; single losses go far below."""
        losses = valley_curve(noise=noise)
        found = suggest_learning_rate(RATES, losses, stopped="diverged")
        assert found.lowest_loss == pytest.approx(0.32, abs=noise)
        assert found.lowest_loss > losses.min() + noise


class TestLandmarks:
    def test_lie_where_the_curve_has_them(self):
        found = suggest_learning_rate(RATES, valley_curve(), stopped="diverged").landmarks
        assert math.log10(found.steepest) == pytest.approx(-3, abs=0.2)
        # derivative 0: 6·exp(-3(x+3)) = 6·exp(6(x+.5)) at x = -12/9 = -1.33, the steep side pulls LOESS to the left
        assert math.log10(found.minimum) == pytest.approx(-1.33, abs=0.3)
        assert found.minimum_over_ten == pytest.approx(found.minimum / 10)
        # half of the 2.0 is lost at exp(6(x+.5)) = 1
        assert math.log10(found.divergence) == pytest.approx(-0.5, abs=0.25)
        assert found.steepest < found.minimum <= found.edge < found.divergence
        assert found.valley < found.minimum

    def test_are_not_shifted_by_smoothing(self):
        smooth = np.array(suggest_learning_rate(RATES, valley_curve(noise=0.0)).smoothed)
        before = DECADES < -1.6
        assert smooth[before] == pytest.approx(valley_curve(noise=0.0)[before], abs=0.06)

    def test_edge_is_within_noise_of_the_minimum(self):
        flat = np.where(DECADES < -3, 2.3, 1.0) + np.random.default_rng(0).normal(0, 0.05, 200)
        flat[DECADES > 0] = 20.0
        found = suggest_learning_rate(RATES, flat, stopped="diverged").landmarks
        assert math.log10(found.edge) == pytest.approx(-0.5, abs=0.4)

    @pytest.mark.parametrize("steps", [110, 350])  # more than 200 points are condensed
    @pytest.mark.parametrize("end", [1.0, 100.0, 0.3, 7.0])
    def test_at_the_end_of_a_sweep_are_exact(self, end, steps):
        rates = sweep_rates(1e-6, end, steps)
        found = suggest_learning_rate(rates, np.linspace(2.3, 0.3, steps)).landmarks
        assert (found.edge, found.minimum) == (end, end)  # e to the power of log 100 is a little more than 100

    def test_none_where_the_loss_only_rises(self):
        rising = 2.3 + np.maximum(0, DECADES + 3) ** 2
        found = suggest_learning_rate(RATES, rising).landmarks
        assert (found.edge, found.steepest, found.minimum, found.minimum_over_ten, found.valley) == (None,) * 5
        assert 1e-3 < found.divergence < 1e-2  # 10 % above 2.3 at -3 + √0.23 = -2.5


class TestPick:
    def test_stays_below_minimum_and_divergence(self):
        suggestion = suggest_learning_rate(RATES, valley_curve(), stopped="diverged")
        assert suggestion.max_lr == pytest.approx(
            min(suggestion.landmarks.minimum / 2, suggestion.landmarks.divergence / 5)
        )
        assert (suggestion.rule, suggestion.warnings) == ("margin", ())
        assert suggestion.min_lr == pytest.approx(suggestion.max_lr / 10)

    def test_the_divergence_holds_it_back_where_the_minimum_is_at_the_cliff(self):
        cliff = np.where(DECADES < -3, 2.3, 1.0 - 0.1 * DECADES) + np.random.default_rng(0).normal(0, 0.01, 200)
        cliff[DECADES > -0.5] = 50.0
        suggestion = suggest_learning_rate(RATES, cliff, stopped="diverged")
        assert suggestion.max_lr == pytest.approx(suggestion.landmarks.divergence / 5)
        assert "a factor of 5 below" in suggestion.reason
        assert "broke away" in suggestion.reason

    @pytest.mark.parametrize(
        ("noise", "spread"),
        [(0.0, 1.01), (0.02, 2), (0.1, 4), (0.2, 12)],  # 0.2: a tenth of the depth, a small batch
    )
    def test_noise_moves_it_little(self, noise, spread):
        picks = [suggest_learning_rate(RATES, valley_curve(noise=noise, seed=seed)).max_lr for seed in range(8)]
        assert max(picks) / min(picks) < spread
        assert 10**-2.6 < np.median(picks) < 10**-1.2

    def test_one_spike_does_not_move_it(self):
        calm, spiked = valley_curve(), valley_curve()
        spiked[120] = 40.0
        ratio = suggest_learning_rate(RATES, spiked).max_lr / suggest_learning_rate(RATES, calm).max_lr
        assert 0.5 < ratio < 2

    def test_is_reproducible(self):
        curve = valley_curve(noise=0.1)
        assert suggest_learning_rate(RATES, curve) == suggest_learning_rate(RATES, curve)

    def test_the_same_for_a_sweep_of_a_thousand_steps(self):
        rates = sweep_rates(1e-6, 10.0, 1000, "exponential")
        losses = np.interp(np.log(rates), np.log(RATES), valley_curve(noise=0.0))
        longer, shorter = suggest_learning_rate(rates, losses), suggest_learning_rate(RATES, valley_curve(noise=0.0))
        assert longer.max_lr == pytest.approx(shorter.max_lr, rel=0.3)
        assert len(longer.smoothed) == 1000


class TestInterval:
    def test_holds_the_pick_and_widens_with_noise(self):
        calm = suggest_learning_rate(RATES, valley_curve(noise=0.01))
        noisy = suggest_learning_rate(RATES, valley_curve(noise=0.3))
        for suggestion in (calm, noisy):
            low, high = suggestion.interval
            assert 0 < low <= suggestion.max_lr <= high
        assert noisy.interval[1] / noisy.interval[0] > calm.interval[1] / calm.interval[0]


class TestWarnings:
    @pytest.mark.parametrize(("optimizer", "careful"), [("sgd", 0.01), ("adam", 0.001), ("adamw", 0.001)])
    def test_a_flat_curve_gives_a_careful_default(self, optimizer, careful):
        flat = 2.3 + np.random.default_rng(3).normal(0, 0.05, 200)
        suggestion = suggest_learning_rate(RATES, flat, optimizer=optimizer)
        assert (suggestion.max_lr, suggestion.rule) == (careful, "fallback")
        assert suggestion.warnings == ("no_descent", "no_divergence", "low_confidence")
        assert "careful default" in suggestion.reason

    @pytest.mark.parametrize(
        ("bounds", "pick"),
        [((1e-6, 1e-4), 1e-4), ((0.1, 10.0), 0.1), ((1e-6, 10.0), 0.01)],  # 0.01, or the nearest that was swept
    )
    def test_the_careful_default_lies_within_the_sweep(self, bounds, pick):
        flat = 2.3 + np.random.default_rng(3).normal(0, 0.05, 100)
        suggestion = suggest_learning_rate(sweep_rates(*bounds, 100), flat)
        assert suggestion.max_lr == pick
        assert bounds[0] <= suggestion.interval[0] <= pick <= suggestion.interval[1] <= bounds[1]

    def test_but_never_nearer_to_the_cliff(self):
        rising = 2.3 + np.linspace(0, 30, 100) ** 2
        suggestion = suggest_learning_rate(sweep_rates(0.1, 10.0, 100), rising, stopped="diverged")
        assert suggestion.max_lr == pytest.approx(suggestion.landmarks.divergence / 5)

    @pytest.mark.parametrize(("extended", "advises"), [(False, True), (True, False)])
    def test_an_extended_sweep_is_told_and_not_advised_again(self, extended, advises):
        falling = 2.3 - 2.0 / (1 + np.exp(-(DECADES - 1)))
        suggestion = suggest_learning_rate(RATES, falling, extended=extended)
        assert ("range_extended" in suggestion.warnings) is extended
        assert "no_divergence" in suggestion.warnings
        assert ("A larger end_lr would show more." in suggestion.reason) is advises
        assert ("went on for another decade" in suggestion.reason) is extended

    def test_each_has_a_sentence_of_its_own(self):
        codes = get_args(WarningCode)
        assert len({Suggestion.explain_warning(code) for code in codes}) == len(codes)

    def test_noise_alone_is_rarely_taken_for_a_descent(self):
        curves = [2.3 + np.random.default_rng(seed).normal(0, 0.2, 100) for seed in range(60)]
        rates = sweep_rates(1e-6, 10.0, 100, "exponential")
        taken = sum("no_descent" not in suggest_learning_rate(rates, curve).warnings for curve in curves)
        assert taken <= 3

    def test_a_rising_curve_stays_below_where_it_breaks_away(self):
        rising = 2.3 + np.maximum(0, DECADES + 5) ** 2
        suggestion = suggest_learning_rate(RATES, rising, stopped="diverged")
        assert suggestion.warnings == ("no_descent", "low_confidence")
        assert suggestion.max_lr < suggestion.landmarks.divergence < 0.01

    def test_a_curve_that_still_falls_at_the_end_did_not_diverge(self):
        falling = 2.3 - 2.0 / (1 + np.exp(-(DECADES - 1)))
        assert suggest_learning_rate(RATES, falling).warnings == ("no_divergence",)

    def test_five_points_are_read_without_confidence(self):
        suggestion = suggest_learning_rate([1e-4, 1e-3, 1e-2, 1e-1, 1], [2.3, 2.2, 1.0, 0.5, 9.0], stopped="diverged")
        assert "low_confidence" in suggestion.warnings
        assert 1e-4 < suggestion.max_lr < 0.1

    def test_whoever_swept_knows_best_that_it_diverged(self):
        falling = 2.3 - 2.0 / (1 + np.exp(-3 * (DECADES + 3)))
        suggestion = suggest_learning_rate(RATES, falling, stopped="diverged")
        assert suggestion.landmarks.divergence == 10.0


class TestLossesThatAreNoNumbers:
    def test_a_tail_of_them_is_the_divergence(self):
        curve = 2.3 - 2.0 / (1 + np.exp(-3 * (DECADES + 3)))
        curve[150:] = np.nan
        suggestion = suggest_learning_rate(RATES, curve, stopped="non_finite")
        assert suggestion.landmarks.divergence == pytest.approx(RATES[150])
        assert np.isnan(suggestion.smoothed[150:]).all()
        assert np.isfinite(suggestion.smoothed[:150]).all()

    def test_single_ones_are_left_out(self):
        curve = valley_curve()
        curve[[3, 70]] = np.inf, np.nan
        calm = suggest_learning_rate(RATES, valley_curve())
        assert suggest_learning_rate(RATES, curve).max_lr == pytest.approx(calm.max_lr, rel=0.5)

    @pytest.mark.parametrize("finite", [0, 4])
    def test_too_few_numbers_are_an_error(self, finite):
        losses = [2.0] * finite + [math.nan] * (20 - finite)
        with pytest.raises(ValueError, match=f"only {finite} of 20 losses are finite"):
            suggest_learning_rate(RATES[:20], losses)


class TestBadInput:
    @pytest.mark.parametrize(
        ("rates", "losses", "message"),
        [
            ([1, 2, 3], [1, 2], "equally long"),
            ([], [], "only 0 of 0"),
            ([1, 2, 2, 3, 4], [1] * 5, "rising"),
            ([0, 1, 2, 3, 4], [1] * 5, "positive"),
            ([1, 2, 3, 4, math.nan], [1] * 5, "finite"),
        ],
    )
    def test_is_refused(self, rates, losses, message):
        with pytest.raises(ValueError, match=message):
            suggest_learning_rate(rates, losses)

    @given(losses=st.lists(st.floats() | st.floats(0, 10), min_size=5, max_size=60))
    def test_any_curve_gives_a_sane_answer_or_a_clear_error(self, losses):
        rates = sweep_rates(1e-5, 1.0, len(losses), "exponential")
        if sum(map(math.isfinite, losses)) < 5:
            with pytest.raises(ValueError, match="losses are finite"):
                suggest_learning_rate(rates, losses)
            return
        suggestion = suggest_learning_rate(rates, losses)
        low, high = suggestion.interval
        assert 0 < low <= suggestion.max_lr <= high < math.inf
        assert suggestion.max_lr <= 1.0
        assert all(rate is None or 0 < rate <= 1.0 + 1e-9 for _, rate in suggestion.landmarks)
        assert len(suggestion.smoothed) == len(losses)


class TestWireShape:
    def test_is_the_contracts(self):
        suggestion = suggest_learning_rate(RATES, valley_curve(), stopped="diverged")
        wire = suggestion.model_dump(mode="json")
        head = ["max_lr", "min_lr", "rule", "interval", "landmarks", "lowest_loss", "stopped"]
        assert list(wire) == [*head, "read_from", "warnings", "reason"]
        assert list(wire["landmarks"]) == ["edge", "steepest", "minimum", "minimum_over_ten", "valley", "divergence"]
        assert isinstance(wire["interval"], list)
        assert wire["warnings"] == []

    def test_each_landmark_has_its_sentence(self):
        suggestion = suggest_learning_rate(RATES, valley_curve(), stopped="diverged")
        assert set(suggestion.explanations) == {name for name, rate in suggestion.landmarks if rate is not None}
