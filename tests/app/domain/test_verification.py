"""The search for max_lr by short cycles, on functions whose best rate is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.verification import MARGINS, Budget, Trial, best_of, is_bracketed, next_rate, verified_rate, why

STEPS = 20
GUESS = math.log(10)


def bowl(best, *, cliff=math.inf, steep=0.1):
    """A loss that rises with the square of the octaves from `best`, and diverges from `cliff` on."""
    return lambda rate: None if rate >= cliff else 1 + steep * math.log2(rate / best) ** 2


def search(loss, *, start, most=20):
    trials = []
    while (rate := next_rate(trials, start=start, guess=GUESS)) is not None and len(trials) < most:
        trials.append(Trial(rate, loss(rate), STEPS))
    return trials


class TestSearch:
    @given(best=st.floats(1e-4, 10), away=st.floats(-6, 6))
    def test_finds_the_best_octave_from_anywhere_and_tries_nothing_twice(self, best, away):
        trials = search(bowl(best), start=best * 2.0**away)
        rates = [trial.max_lr for trial in trials]
        assert abs(math.log2(best_of(trials).max_lr / best)) <= 0.5 + 1e-9
        assert len(set(rates)) == len(rates) <= 14
        assert is_bracketed(trials)
        assert all(rate == 2.0 ** round(math.log2(rate)) for rate in rates)

    def test_takes_three_trials_where_the_start_was_right(self):
        assert [trial.max_lr for trial in search(bowl(0.25), start=0.27)] == [0.25, 0.5, 0.125]

    def test_goes_down_in_two_octaves_and_fills_in_the_one_left_out(self):
        rates = [trial.max_lr for trial in search(bowl(0.07, steep=0.03), start=1.0)]
        assert rates == [1, 2, 0.5, 0.125, 0.03125, 0.0625]

    def test_that_has_learnt_nothing_takes_larger_strides(self):
        assert next_rate([Trial(0.0625, 2.29, STEPS)], start=0.0625, guess=GUESS) == 0.25

    def test_never_takes_more_than_an_octave_upwards_once_something_was_learnt(self):
        rates = [trial.max_lr for trial in search(bowl(4.0, steep=0.03), start=0.0625)]
        assert all(later <= 2 * max(rates[:place]) for place, later in enumerate(rates) if place)

    def test_flees_downwards_while_everything_diverges(self):
        rates = [trial.max_lr for trial in search(bowl(0.01, cliff=0.05), start=1.0, most=4)]
        assert rates[:4] == [1, 0.25, 0.0625, 0.015625]


class TestRate:
    @given(best=st.floats(1e-3, 1))
    def test_is_a_margin_below_the_bottom_of_the_bowl_or_less(self, best):
        bottom = verified_rate(search(bowl(best), start=best), start=best, guess=GUESS) * MARGINS.best
        assert best / 2 <= bottom <= best * (1 + 1e-9)

    def test_of_a_parabola_is_its_bottom(self):
        trials = [Trial(2.0**-3, 1.0, STEPS), Trial(2.0**-4, 1.6, STEPS), Trial(2.0**-2, 1.2, STEPS)]
        # (0.6 - 0.2) / (2 · 0.8) = 0.25 octaves above 0.125
        assert verified_rate(trials, start=0.1, guess=GUESS) == pytest.approx(0.125 * 2**0.25 / 2)

    def test_takes_the_smallest_of_rates_as_good_as_each_other(self):
        # 2 % of 0.78 is 0.0156, so 0.79 is as good as the best and 0.81 is not.
        losses = {2.0**-8: 0.82, 2.0**-7: 0.81, 2.0**-6: 0.79, 2.0**-5: 0.78}
        trials = [Trial(rate, loss, STEPS) for rate, loss in losses.items()]
        assert verified_rate(trials, start=0.1, guess=GUESS) == 2.0**-6 / MARGINS.best

    def test_where_little_was_learnt_small_differences_count(self):
        # 2 % of 2.1 is 0.042; a tenth of what was learnt, 2.3 - 2.1, is 0.02.
        trials = [Trial(0.25, 2.1, STEPS), Trial(0.125, 2.13, STEPS), Trial(0.0625, 2.2, STEPS)]
        assert verified_rate(trials, start=0.1, guess=GUESS) == 0.25 / MARGINS.best

    @pytest.mark.parametrize(("cliff", "expected"), [(None, 0.07), (0.125, 0.125 / 4)])
    def test_where_nothing_was_learnt_is_where_the_search_began(self, cliff, expected):
        trials = [Trial(0.0625, 2.3, STEPS), Trial(0.25, 2.28, STEPS), *([Trial(cliff, None, 3)] if cliff else [])]
        assert verified_rate(trials, start=0.07, guess=GUESS) == expected

    def test_stays_clear_of_the_cliff(self):
        trials = search(bowl(0.25, cliff=0.5), start=0.25)
        assert (
            verified_rate(trials, start=0.1, guess=GUESS) == 0.5 / MARGINS.cliff
        )  # 0.125, and 0.25 / 1.75 would be 0.143

    def test_of_trials_that_all_diverged_is_below_the_smallest(self):
        assert (
            verified_rate([Trial(1.0, None, 3), Trial(0.25, None, 3)], start=0.1, guess=GUESS) == 0.25 / MARGINS.cliff
        )

    def test_without_a_neighbour_goes_by_the_best_alone(self):
        assert (
            verified_rate([Trial(0.5, 1.0, STEPS), Trial(0.25, 1.2, STEPS)], start=0.1, guess=GUESS)
            == 0.5 / MARGINS.best
        )

    def test_of_equal_losses_takes_the_careful_one(self):
        assert best_of([Trial(0.5, 1.0, STEPS), Trial(0.25, 1.0, STEPS)]).max_lr == 0.25


class TestBudget:
    @pytest.mark.parametrize(
        ("steps", "expected"),
        [
            (399, None),
            (400, Budget(total=120, sweep_steps=36, trial_steps=20)),  # 30 %, 9 %, 5 %
            (1000, Budget(total=300, sweep_steps=90, trial_steps=50)),
            (10_000, Budget(total=3000, sweep_steps=300, trial_steps=500)),  # a sweep never takes more than 300
        ],
    )
    def test_shares(self, steps, expected):
        assert Budget.of(steps) == expected

    @given(st.integers(400, 1_000_000))
    def test_is_enough_for_four_trials(self, steps):
        budget = Budget.of(steps)
        assert budget.sweep_steps + 4 * budget.trial_steps <= budget.total <= 0.3 * steps


class TestWords:
    def test_of_a_parabola(self):
        trials = search(bowl(0.25), start=0.25)
        told = why(trials, max_lr=verified_rate(trials, start=0.25, guess=GUESS), guess=GUESS)
        assert "0.125: 1.1, 0.25: 1, 0.5: 1.1" in told
        assert "0.12 is a factor of 2 below 0.25, the smallest rate as good as the best" in told

    def test_of_a_cliff(self):
        trials = search(bowl(0.25, cliff=0.5), start=0.25)
        told = why(trials, max_lr=verified_rate(trials, start=0.25, guess=GUESS), guess=GUESS)
        assert "0.5: diverged" in told
        assert "0.12 is a factor of 4 below 0.5, where a short cycle diverged" in told
