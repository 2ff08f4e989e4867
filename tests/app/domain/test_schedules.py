"""Schedules: landmarks by hand, and what must hold for any share and any number of steps."""

import math
import pickle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain.schedules import OneCycle, build_schedule
from app.domain.specs import ConstantLr, CosineDecay, LinearDecay, StepDecay
from app.domain.specs import OneCycle as OneCyclePolicy

SHAPES = ("case_study", "three_phase", "cosine", "triangle")


@st.composite
def cycles(draw):
    up = draw(shares())
    annihilation = (1 - up) * draw(shares())
    low, high = sorted(draw(st.tuples(st.floats(0, 0.99), st.floats(0, 0.99))))
    return OneCyclePolicy(
        shape=draw(st.sampled_from(SHAPES)),
        up=up,
        annihilation=annihilation,
        initial_div=draw(st.floats(1, 1e4)),
        final_div=draw(st.floats(1, 1e6)),
        max_momentum=high,
        min_momentum=low,
    )


def shares():
    """Shares between 0 and 1 and, as often, the ends themselves."""
    return st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))


@st.composite
def controls(draw):
    milestones = tuple(sorted(draw(st.sets(st.floats(0.01, 0.99), min_size=1, max_size=4))))
    step = StepDecay(policy="step", milestones=milestones, factor=draw(st.floats(0.01, 0.99)))
    others = [ConstantLr(policy="constant"), LinearDecay(policy="linear"), CosineDecay(policy="cosine")]
    return draw(st.sampled_from([step, *others]))


def steepness(policy, max_lr):
    """The largest change of the learning rate over a whole training at the pace of its fastest moment."""
    numbers = policy.numbers
    low = max_lr / numbers.initial_div
    final, down = low / numbers.final_div, 1 - numbers.annihilation - numbers.up
    falls = [(max_lr - low, down), (low - final, numbers.annihilation)]
    if not numbers.up < 1 - numbers.annihilation < 1:  # two phases are one: from the peak to the end
        falls = [(max_lr - final, 1 - numbers.up)]
    slopes = [change / share for change, share in [(max_lr - low, numbers.up), *falls] if share > 0]
    return math.pi / 2 * max(slopes)  # half a cosine is that much steeper in its middle


class TestOneCycleShapes:
    @pytest.mark.parametrize(
        ("shape", "progress", "rate", "momentum"),
        [
            ("case_study", 0.0, 0.1, 0.95),  # max_lr / 10
            ("case_study", 0.25, 0.55, 0.90),  # half way up
            ("case_study", 0.5, 1.0, 0.85),  # the peak
            ("case_study", 0.7, 0.55, 0.90),  # half way down
            ("case_study", 0.9, 0.1, 0.95),  # back where it started
            ("case_study", 0.95, 0.0505, 0.95),  # (0.1 + 0.001) / 2
            ("case_study", 1.0, 0.001, 0.95),  # annihilated: 0.1 / 100
            ("three_phase", 0.45, 1.0, 0.85),
            ("three_phase", 0.675, 0.55, 0.90),
            ("three_phase", 0.9, 0.1, 0.95),
            ("three_phase", 1.0, 0.001, 0.95),
            ("cosine", 0.0, 0.04, 0.95),  # max_lr / 25
            ("cosine", 0.15, 0.52, 0.90),  # half of half a cosine: (0.04 + 1) / 2
            ("cosine", 0.3, 1.0, 0.85),
            ("cosine", 1.0, 4e-6, 0.95),  # 0.04 / 10,000 = max_lr / 250,000
            ("triangle", 0.0, 0.0, None),
            ("triangle", 0.1, 0.5, None),
            ("triangle", 0.2, 1.0, None),
            ("triangle", 0.6, 0.5, None),
            ("triangle", 1.0, 0.0, None),
        ],
    )
    def test_landmarks(self, shape, progress, rate, momentum):
        schedule = build_schedule(OneCyclePolicy(shape=shape), max_lr=1.0)
        assert schedule.learning_rate(progress) == pytest.approx(rate, abs=1e-12)
        assert schedule.momentum(progress) == (None if momentum is None else pytest.approx(momentum, abs=1e-12))

    def test_every_number_can_be_set(self):
        policy = OneCyclePolicy(
            up=0.25, annihilation=0.25, initial_div=4, final_div=2, max_momentum=0.9, min_momentum=0.7
        )
        schedule = build_schedule(policy, max_lr=2.0)
        seen = [(schedule.learning_rate(p), schedule.momentum(p)) for p in (0, 0.125, 0.25, 0.5, 0.75, 0.875, 1)]
        # 2/4 up to 2 and back to 2/4, then to 2/4/2
        expected = [(0.5, 0.9), (1.25, 0.8), (2.0, 0.7), (1.25, 0.8), (0.5, 0.9), (0.375, 0.9), (0.25, 0.9)]
        for (rate, momentum), (right_rate, right_momentum) in zip(seen, expected, strict=True):
            assert rate == pytest.approx(right_rate)
            assert momentum == pytest.approx(right_momentum)

    def test_a_momentum_bound_makes_the_triangle_cycle_its_momentum(self):
        schedule = build_schedule(OneCyclePolicy(shape="triangle", min_momentum=0.8), max_lr=1.0)
        assert [schedule.momentum(p) for p in (0, 0.2, 1)] == pytest.approx([0.95, 0.8, 0.95])

    @pytest.mark.parametrize(
        ("shape", "overrides", "expected"),
        [
            ("case_study", {}, 0.9),
            ("three_phase", {}, 0.9),
            ("case_study", {"annihilation": 0.2}, 0.8),
            ("triangle", {}, 0.92),  # 0.2 + 0.9 · 0.8
            ("cosine", {}, 0.3 + 0.7 * math.acos(-0.8) / math.pi),  # (1 + cos(π·way)) / 2 = 0.1
            ("case_study", {"up": 1.0, "annihilation": 0.0}, 1.0),  # never comes down
        ],
    )
    def test_annealing_begins_where_the_descent_is_nearly_done(self, shape, overrides, expected):
        schedule = build_schedule(OneCyclePolicy(shape=shape, **overrides), max_lr=1.0)
        assert schedule.annealing_from == pytest.approx(expected)


class TestAnyOneCycle:
    @given(policy=cycles(), progress=st.floats(-1, 2))
    def test_stays_within_bounds(self, policy, progress):
        schedule = build_schedule(policy, max_lr=0.7)
        final = 0.7 / policy.initial_div / policy.final_div
        assert final * (1 - 1e-9) <= schedule.learning_rate(progress) <= 0.7 * (1 + 1e-9)
        assert policy.min_momentum - 1e-9 <= schedule.momentum(progress) <= policy.max_momentum + 1e-9

    @given(policy=cycles())
    def test_never_jumps(self, policy):
        schedule = build_schedule(policy, max_lr=1.0)
        for track in (schedule.rate, schedule.momenta):
            for (here, start), (there, end) in zip(track.turns, track.turns[1:], strict=False):
                assert here < there
                assert track.at(here) == start
                assert track.at(math.nextafter(there, 0)) == pytest.approx(end, abs=1e-3) or there - here < 1e-12
                assert track.at(there) == end

    @given(policy=cycles(), progress=st.floats(0, 1))
    def test_momentum_mirrors_the_rate_until_the_annihilation(self, policy, progress):
        schedule = build_schedule(policy.model_copy(update={"annihilation": 0.0, "final_div": 1.0}), max_lr=1.0)
        low, high = policy.min_momentum, policy.max_momentum
        span = 1 - 1 / policy.initial_div
        risen = (schedule.learning_rate(progress) - 1 / policy.initial_div) / span if span > 1e-6 else None
        if risen is not None:
            assert schedule.momentum(progress) == pytest.approx(high - risen * (high - low), abs=1e-6)

    @given(policy=cycles(), total=st.integers(1, 500))
    def test_any_number_of_steps(self, policy, total):
        schedule = build_schedule(policy, max_lr=0.3)
        rates = [schedule.at(step, total)[0] for step in range(total)]
        assert all(math.isfinite(rate) and rate > 0 for rate in rates)
        assert schedule.at(total + 1000, total) == schedule.at(total - 1, total)

    @given(policy=cycles())
    def test_a_single_step_is_made_at_the_peak(self, policy):
        schedule = build_schedule(policy, max_lr=0.3)
        assert schedule.at(0, 1) == (0.3, policy.min_momentum)

    @given(policy=cycles(), total=st.integers(2, 10_000))
    def test_first_and_last_step_hit_their_values(self, policy, total):
        schedule = build_schedule(policy, max_lr=1.0)
        first = 1 / policy.initial_div if policy.up > 0 else 1.0
        last = 1 / policy.initial_div / policy.final_div if policy.up < 1 else 1.0
        assert schedule.at(0, total)[0] == pytest.approx(first)
        assert schedule.at(total - 1, total)[0] == pytest.approx(last)

    @given(policy=cycles(), ends=st.tuples(st.floats(0, 1), st.floats(0, 1)))
    def test_changes_no_faster_than_its_phases_allow(self, policy, ends):
        schedule, (first, second) = build_schedule(policy, max_lr=0.7), ends
        assume(first != second)  # the steepness of a phase that takes no time is not finite
        change = abs(schedule.learning_rate(first) - schedule.learning_rate(second))
        assert change <= steepness(policy, 0.7) * abs(first - second) * (1 + 1e-6) + 1e-9

    @given(policy=cycles())
    def test_hits_its_landmarks_exactly(self, policy):
        schedule, up, falls_until = build_schedule(policy, max_lr=0.7), policy.up, 1 - policy.annihilation
        low = 0.7 / policy.initial_div
        assert schedule.at(0, 1)[0] == schedule.learning_rate(up) == 0.7
        assert up == 0 or schedule.learning_rate(0.0) == low
        assert not up < falls_until < 1 or schedule.learning_rate(falls_until) == low
        assert up == 1 or schedule.learning_rate(1.0) == low / policy.final_div

    @given(policy=cycles(), progress=st.floats(0, 1))
    def test_momentum_mirrors_the_rate_and_rests_in_the_annihilation(self, policy, progress):
        schedule, falls_until = build_schedule(policy, max_lr=1.0), 1 - policy.annihilation
        span, low = 1 - 1 / policy.initial_div, 1 / policy.initial_div
        if not policy.up < falls_until < 1 or span < 1e-6:
            return  # a cycle without a descent of its own, or without a rise
        risen = (schedule.learning_rate(progress) - low) / span if progress <= falls_until else 0.0
        high, momentum = policy.max_momentum, schedule.momentum(progress)
        assert momentum == pytest.approx(high - risen * (high - policy.min_momentum), abs=1e-6)

    @pytest.mark.parametrize(
        ("up", "annihilation", "rates", "momenta"),
        # max_lr 1, from 1/10, to 1/1000; momentum .95 to .85 and back
        [
            (0.0, 0.0, [1, 0.75025, 0.5005, 0.25075, 0.001], [0.85, 0.875, 0.9, 0.925, 0.95]),  # only down
            (0.0, 1.0, [1, 0.75025, 0.5005, 0.25075, 0.001], [0.85, 0.875, 0.9, 0.925, 0.95]),
            (1.0, 0.0, [0.1, 0.325, 0.55, 0.775, 1], [0.95, 0.925, 0.9, 0.875, 0.85]),  # only up
            (0.5, 0.5, [0.1, 0.55, 1, 0.5005, 0.001], [0.95, 0.9, 0.85, 0.9, 0.95]),  # no descent between
            (0.0, 0.5, [1, 0.55, 0.1, 0.0505, 0.001], [0.85, 0.9, 0.95, 0.95, 0.95]),
        ],
    )
    def test_phases_of_no_length(self, up, annihilation, rates, momenta):
        schedule = build_schedule(OneCyclePolicy(up=up, annihilation=annihilation), max_lr=1.0)
        walked = [schedule.at(step, 5) for step in range(5)]
        assert [rate for rate, _ in walked] == pytest.approx(rates)
        assert [momentum for _, momentum in walked] == pytest.approx(momenta)


class TestControls:
    @given(policy=controls(), total=st.integers(1, 300))
    def test_fall_from_max_lr_and_never_rise(self, policy, total):
        schedule = build_schedule(policy, max_lr=0.7)
        rates = [schedule.at(step, total)[0] for step in range(total)]
        assert rates[0] == 0.7
        assert rates == sorted(rates, reverse=True)
        assert schedule.at(total + 9, total)[0] == rates[-1] >= 0

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            (ConstantLr(policy="constant"), [1, 1, 1, 1, 1]),
            (StepDecay(policy="step"), [1, 1, 0.1, 0.01, 0.01]),  # ÷10 at 50 % and at 75 %
            (StepDecay(policy="step", milestones=(0.25,), factor=0.5), [1, 0.5, 0.5, 0.5, 0.5]),
            (LinearDecay(policy="linear"), [1, 0.75, 0.5, 0.25, 0]),
            (CosineDecay(policy="cosine"), [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0]),  # (1 + cos πp) / 2
        ],
    )
    def test_five_steps(self, policy, expected):
        schedule = build_schedule(policy, max_lr=1.0)
        assert [schedule.at(step, 5)[0] for step in range(5)] == pytest.approx(expected)
        assert schedule.momentum(0.5) is None
        assert schedule.annealing_from == 0.0
        assert schedule.at(0, 1)[0] == 1.0
        assert schedule.at(99, 5)[0] == pytest.approx(expected[-1])

    def test_survives_a_trip_to_another_process(self):
        schedule = build_schedule(CosineDecay(policy="cosine"), max_lr=1.0)
        assert pickle.loads(pickle.dumps(schedule)) == schedule  # noqa: S301 - our own bytes


class TestBadInput:
    @pytest.mark.parametrize("max_lr", [0.0, -1.0, math.inf, math.nan])
    def test_max_lr_must_be_positive_and_finite(self, max_lr):
        with pytest.raises(ValueError, match="max_lr must be a positive number"):
            build_schedule(ConstantLr(policy="constant"), max_lr=max_lr)

    @pytest.mark.parametrize(("step", "total"), [(-1, 10), (0, 0)])
    def test_steps_count_from_zero(self, step, total):
        with pytest.raises(ValueError, match="steps count from 0"):
            build_schedule(ConstantLr(policy="constant"), max_lr=1.0).at(step, total)


class TestOneCycleForOwnLoops:
    def test_walks_the_cycle(self):
        cycle = OneCycle(max_lr=1.0, total_steps=21)
        walked = list(cycle)
        assert len(walked) == len(cycle) == 21
        assert walked[10] == cycle.at(10) == (1.0, 0.85)
        assert walked[18] == pytest.approx((0.1, 0.95))
        assert cycle.at(5000) == cycle.at(20)

    def test_takes_every_field_of_the_policy(self):
        cycle = OneCycle(max_lr=1.0, total_steps=11, shape="triangle", up=0.5, initial_div=2.0)
        assert [round(rate, 9) for rate, _ in cycle] == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"max_lr": 1.0, "total_steps": 0}, "total_steps must be at least 1"),
            ({"max_lr": 1.0, "total_steps": 9, "upp": 0.3}, "upp"),
            ({"max_lr": -1.0, "total_steps": 9}, "greater than 0"),
            ({"max_lr": 1.0, "total_steps": 9, "shape": "square"}, "case_study"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            OneCycle(**arguments)
