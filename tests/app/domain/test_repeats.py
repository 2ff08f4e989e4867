import math
from dataclasses import replace

import numpy as np
import pytest

from app.domain.repeats import Curve, mean_curve, suggest_from
from app.domain.schedules import sweep_rates

RATES = sweep_rates(1e-6, 10.0, 100)


def curve(*, lowest, seed=0, noise=0.02, points=100):
    """Falls by 2 around a tenth of `lowest`, rises again past it."""
    decades = np.log10(RATES) - math.log10(lowest)
    fall, rise = 2 / (1 + np.exp(-3 * (decades + 1.5))), np.exp(np.minimum(6 * (decades - 0.7), 50))
    losses = 2.3 - fall + rise + np.random.default_rng(seed).normal(0, noise, 100)
    return Curve(RATES[:points], losses.tolist()[:points], "end" if points == 100 else "diverged", False)


class TestMean:
    def test_goes_as_far_as_the_shortest_and_ends_like_it(self):
        mean = mean_curve([curve(lowest=0.1), curve(lowest=0.1, points=90)])
        assert len(mean.losses) == len(mean.rates) == 90
        assert mean.stopped == "diverged"

    def test_of_a_loss_that_is_no_number_is_none(self):
        broken = Curve(RATES, [*[1.0] * 99, math.nan], "non_finite", False)
        assert math.isnan(mean_curve([broken, curve(lowest=0.1)]).losses[-1])


class TestSuggestion:
    def test_of_one_is_its_own(self):
        assert "sweeps pick" not in suggest_from([curve(lowest=0.1)]).reason

    def test_interval_spans_what_each_would_pick(self):
        sweeps = [curve(lowest=lowest, seed=seed) for seed, lowest in enumerate([0.03, 0.1, 0.3])]
        alone = [suggest_from([one]).max_lr for one in sweeps]
        together = suggest_from(sweeps)
        assert together.interval == (pytest.approx(min(alone)), pytest.approx(max(alone)))
        assert min(alone) <= together.max_lr <= max(alone)
        assert f"3 sweeps pick {min(alone):.2g} to {max(alone):.2g}" in together.reason

    def test_says_when_the_sweeps_disagree(self):
        together = suggest_from([curve(lowest=0.0005), curve(lowest=0.3)])
        assert together.warnings.count("low_confidence") == 1

    def test_noise_matters_less_together(self):
        picks = {n: [_pick(n, first) for first in range(0, 60, 6)] for n in (1, 6)}
        assert np.std(np.log(picks[6])) < np.std(np.log(picks[1]))


def _pick(sweeps, first):
    return suggest_from([curve(lowest=0.1, seed=first + n, noise=0.4) for n in range(sweeps)]).max_lr


def looked_at(one, every):
    """The same curve as held-out losses, and a training loss that tells nothing."""
    held_out = [loss if step % every == 0 else None for step, loss in enumerate(one.losses)]
    return replace(one, losses=[2.3] * len(one.losses), held_out=held_out)


class TestHeldOut:
    def test_landmarks_are_read_off_it(self):
        whole = curve(lowest=0.1)
        found, alone = suggest_from([looked_at(whole, 1)]), suggest_from([whole])
        assert found.landmarks == alone.landmarks
        assert found.lowest_loss == alone.lowest_loss
        assert found.lowest_loss < 1.0  # the training loss is 2.3 throughout
        assert (found.max_lr, found.read_from, alone.read_from) == (alone.max_lr, "held_out", "training")
        assert found.reason == f"Read off the loss on held-out images. {alone.reason}"

    def test_with_the_rates_of_the_steps_that_looked(self):
        whole = looked_at(curve(lowest=0.1), 5)
        assert whole.read.rates == RATES[::5]
        assert None not in whole.read.losses
        found = suggest_from([whole])
        assert len(found.smoothed) == 20
        assert found.landmarks.minimum == pytest.approx(suggest_from([curve(lowest=0.1)]).landmarks.minimum, rel=0.8)
        assert "low_confidence" in found.warnings  # fewer than 30 points

    def test_of_several_sweeps_is_their_mean(self):
        sweeps = [looked_at(curve(lowest=lowest, seed=seed), 2) for seed, lowest in enumerate([0.03, 0.1, 0.3])]
        found = suggest_from(sweeps)
        assert found.read_from == "held_out"
        assert "3 sweeps pick" in found.reason

    def test_a_sweep_that_broke_off(self):
        broken = looked_at(curve(lowest=0.1, points=90), 4)
        assert len(broken.read.losses) == 23  # 0, 4 … 88
        assert suggest_from([broken]).stopped == "diverged"
