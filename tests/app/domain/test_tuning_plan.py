"""Which jobs a tuning wants next, and what it decides from those that have ended."""

import pytest
from pydantic import ValidationError

from app.domain.lifecycle import JobState
from app.domain.plans import Child, plan_of
from app.domain.schedules import build_schedule
from app.domain.specs import parse_spec
from app.domain.specs.training import as_training
from app.domain.specs.tuning import changed

MINIMAL = {"kind": "tuning", "dataset": "digits", "architecture": "resnet9", "epochs": 10}


@pytest.fixture
def tuned():
    """Plays a tuning: answers every job that it wants, until it is over; returns its standing and the keys by wave."""

    def play(answer, *, propose=None, advised=128, noise=2000.0, **fields):
        plan = plan_of(parse_spec(MINIMAL | fields))
        settled, children, waves = plan.settle(lambda spec: 1152 // spec.batch_size), {}, []
        while True:
            step = plan.advance(settled, children, propose)
            assert step.is_over == (not step.new)
            if step.is_over:
                return plan.standing(settled, children, propose), waves
            waves.append([one.key for one in step.new])
            for one in step.new:
                children[one.key] = done(one, answer(one), settled=one.settled | advice(one, advised, noise))

    return play


def advice(new, size, noise):
    """What a training settles that was to choose its batch size."""
    if getattr(new.spec, "batch_size", None) != "auto":
        return {}
    size = {"value": size, "origin": "measured", "reason": "the noise scale is 2000"}
    return {"batch_size": size, "noise_scale": {"value": noise, "origin": "measured", "reason": "."}}


def done(new, answer, *, settled):
    """A job that ended with this loss, or with this curve; None failed."""
    facts = {"spec": new.spec.model_dump(mode="json"), "seconds": 3.0, "resolved": settled}
    if answer is None:
        return Child(new.key, f"job_{new.key}", JobState.FAILED, **facts)
    if isinstance(answer, dict):
        return Child(new.key, f"job_{new.key}", JobState.SUCCEEDED, result=answer, **facts)
    last = {"validation_loss": answer, "validation_accuracy": 0.5}
    result = {"last": last, "seconds": 2.0 * new.spec.epochs, "epochs_run": new.spec.epochs}
    return Child(new.key, f"job_{new.key}", JobState.SUCCEEDED, result=result, **facts)


def curve(edge, max_lr=0.5):
    return {"max_lr": max_lr, "landmarks": {"edge": edge}, "lowest_loss": 1.0}


class TestBatchSize:
    def test_an_epoch_each_and_then_by_equal_time(self, tuned):
        """Of 64, 128, 256 and 512 the one with the smallest loss wins, and of equal ones the largest."""
        losses = {64: 0.5, 128: 0.40, 256: 0.402, 512: 0.6, "auto": 0.7}
        standing, waves = tuned(lambda one: losses[one.spec.batch_size], tune=["batch_size"])
        assert [sorted(wave) for wave in waves] == [
            [f"batch_size/time/{size}" for size in (128, 256, 512, 64, "auto")],
            [f"batch_size/trial/{size}" for size in (128, 256, 512, 64)],
        ]
        assert standing.training.batch_size == 256
        assert "256 is the largest as good as the best" in standing.decisions[0].reason

    def test_the_size_that_the_noise_scale_recommends_is_tried_as_well(self, tuned):
        losses = {1024: 0.3, "auto": 0.9}
        answer = lambda one: losses.get(one.spec.batch_size, 0.4)  # noqa: E731
        standing, waves = tuned(answer, tune=["batch_size"], advised=1024)
        assert waves[1][-1] == "batch_size/trial/1024"
        assert standing.training.batch_size == 1024
        decision = standing.decisions[0]
        assert decision.reason.startswith("1024 is recommended: the noise scale is 2000. Validation losses")
        assert decision.evidence[0] == {"value": 1024, "job_id": "job_batch_size/time/auto", "noise_scale": 2000.0}

    def test_noise_without_end_is_no_evidence(self, tuned):
        standing, _ = tuned(lambda _: 0.4, tune=["batch_size"], noise=None)
        assert not any("noise_scale" in row for row in standing.decisions[0].evidence)

    def test_a_size_that_does_not_fit_is_left_out(self, tuned):
        def answer(one):
            return None if one.spec.batch_size in (256, 512, "auto") else 0.4

        standing, waves = tuned(answer, tune=["batch_size"])
        assert sorted(waves[1]) == ["batch_size/trial/128", "batch_size/trial/64"]
        assert standing.training.batch_size == 128

    def test_nothing_that_succeeded_changes_nothing(self, tuned):
        standing, waves = tuned(lambda _: None, tune=["batch_size"])
        assert len(waves) == 1
        assert standing.decisions[0].values == {}


class TestReuse:
    @pytest.mark.parametrize(
        ("reuse", "sweeps", "trainings"), [(None, True, False), (True, True, True), (False, False, False)]
    )
    def test_what_may_be_taken_over(self, reuse, sweeps, trainings):
        for tune, may_be in (("weight_decay", sweeps), ("batch_size", trainings)):
            plan = plan_of(parse_spec(MINIMAL | {"tune": [tune], "reuse": reuse}))
            new = plan.advance(plan.settle(lambda _: 9), {}, None).new
            assert {one.reuse for one in new} == {may_be}


class TestMomentum:
    def test_those_of_a_cycle_share_the_sweep_at_the_momentum_of_its_peak(self, tuned):
        """The sweep's rate suits .85, which every trial has where its rate is largest."""
        losses, momenta = {0.9: 0.5, 0.95: 0.4, 0.97: 0.395, 0.99: 0.9}, []

        def answer(one):
            if one.spec.kind == "range_test":
                momenta.append(one.spec.optimizer.momentum)
                return curve(1.0, max_lr=0.3)
            assert (one.spec.schedule.max_lr, one.spec.schedule.numbers.min_momentum) == (0.3, 0.85)
            return losses[one.spec.schedule.max_momentum]

        standing, waves = tuned(answer, tune=["momentum"])
        schedule = standing.training.schedule
        assert (schedule.max_momentum, schedule.numbers.min_momentum, schedule.max_lr) == (0.95, 0.85, "auto")
        assert momenta == [0.85]
        assert waves[1] == [f"momentum/trial/{one}" for one in (0.95, 0.9, 0.97, 0.99)]
        assert "all at the rate of a sweep at 0.85" in standing.decisions[0].reason
        assert standing.decisions[0].reason.endswith("of those within 5 % of the best, the training has it.")

    @pytest.mark.parametrize("schedule", [{"policy": "step"}, {"shape": "triangle"}])
    def test_without_a_cycle_each_has_its_own_sweeps_rate(self, tuned, schedule):
        losses = {0.8: 0.5, 0.9: 0.4, 0.95: 0.45, 0.97: 0.3, 0.99: 0.305}

        def answer(one):
            momentum = one.spec.optimizer.momentum
            if one.spec.kind == "range_test":
                return curve(1.0, max_lr=1 - momentum)
            assert one.spec.schedule.max_lr == pytest.approx(1 - momentum)
            return losses[momentum]

        optimizer = {"name": "sgd", "momentum": 0.8}
        standing, waves = tuned(answer, tune=["momentum"], schedule=schedule, optimizer=optimizer)
        assert waves[0] == [f"momentum/sweep/{one}" for one in (0.8, 0.9, 0.95, 0.97, 0.99)]
        assert standing.decisions[0].values == {"optimizer.momentum": 0.97}
        assert standing.decisions[0].reason.endswith("it is the nearest to 0.8, which the training has.")

    @pytest.mark.parametrize(
        ("fields", "values"),
        [
            ({}, {"schedule.max_momentum": 0.95}),
            ({"schedule": {"shape": "triangle"}}, {"optimizer.momentum": 0.9}),
            ({"schedule": {"policy": "step"}}, {"optimizer.momentum": 0.9}),
            ({"schedule": {"max_momentum": 0.93, "min_momentum": 0.8}}, {"schedule.max_momentum": 0.93}),
            ({"schedule": {"shape": "triangle", "max_momentum": 0.9}}, {"schedule.max_momentum": 0.9}),
        ],
    )
    def test_where_all_are_equal_the_training_is_what_it_was(self, tuned, fields, values):
        given = as_training(parse_spec(MINIMAL | fields))
        answer = lambda one: curve(1.0) if one.spec.kind == "range_test" else 0.4  # noqa: E731
        standing, _ = tuned(answer, tune=["momentum"], **fields)
        assert standing.decisions[0].values == values
        assert standing.training.optimizer == given.optimizer
        forms = [build_schedule(one.schedule, max_lr=1.0) for one in (given, standing.training)]
        assert forms[0] == forms[1]

    @pytest.mark.parametrize(
        ("low", "trials"), [(0.0, [0.96, 0.9, 0.95, 0.97, 0.99]), (0.95, [0.96, 0.95, 0.97, 0.99])]
    )
    def test_the_smallest_momentum_stays_as_it_was_given(self, tuned, low, trials):
        def answer(one):
            if one.spec.kind == "range_test":
                assert (one.spec.optimizer.momentum, one.spec.optimizer.nesterov) == (low, low > 0)
                return curve(1.0)
            assert one.spec.schedule.min_momentum == low
            return 1.0 - one.spec.schedule.max_momentum

        schedule = {"max_momentum": 0.96, "min_momentum": low}
        standing, waves = tuned(answer, tune=["momentum"], schedule=schedule)
        assert waves[1] == [f"momentum/trial/{one}" for one in trials]
        assert (standing.training.schedule.max_momentum, standing.training.schedule.min_momentum) == (0.99, low)

    def test_a_sweep_that_failed_leaves_it_as_it_was(self, tuned):
        standing, waves = tuned(lambda _: None, tune=["momentum"])
        assert (len(waves), standing.decisions[0].values) == (1, {})

    def test_a_tuning_of_nothing_says_why(self, tuned):
        plan = plan_of(parse_spec(MINIMAL | {"tune": ["momentum"], "optimizer": "adam"}))
        assert plan.has_outcome({})
        assert sum(one.times for one in plan.planned(plan.settle(lambda _: 9))) == 0

    def test_adam_has_none(self, tuned):
        standing, waves = tuned(lambda _: 0.1, tune=["momentum"], optimizer="adamw")
        assert waves == []
        assert standing.decisions[0].reason.startswith("adamw has no momentum")


class TestBatchNorm:
    def test_it_is_left_to_the_training_with_what_a_short_one_shows(self, tuned):
        momenta = [{"momentum": 0.1, "validation_loss": 0.5, "validation_accuracy": 0.9, "gap": 0.1}]
        result = {"batch_norm": {"rule": 0.4, "momentum": 0.1, "momenta": momenta}, "last": {}, "seconds": 1.0}
        standing, waves = tuned(lambda _: result, tune=["batch_norm_momentum"])
        assert waves == [["batch_norm_momentum/trial/auto"]]
        assert standing.training.batch_norm_momentum == "auto"
        assert "smallest gap to exact statistics at 0.1, where the rule says 0.4" in standing.decisions[0].reason
        assert standing.decisions[0].evidence[0]["gap"] == 0.1

    def test_a_network_without_it(self, tuned):
        standing, waves = tuned(lambda _: None, tune=["batch_norm_momentum"], architecture="mlp")
        assert (waves, standing.decisions[0].values) == ([], {})


class TestPlanned:
    @pytest.mark.parametrize("name", ["batch_size", "weight_decay", "momentum", "batch_norm_momentum"])
    def test_no_more_is_made_and_nothing_longer(self, tuned, name):
        """Where nothing fails, every value survives, and sizes differ in speed as much as they can."""
        made = []

        def answer(one):
            made.append(one)
            return curve(1.0) if one.spec.kind == "range_test" else 0.4

        plan = plan_of(parse_spec(MINIMAL | {"tune": [name]}))
        planned = plan.planned(plan.settle(lambda spec: 1152 // spec.batch_size))
        tuned(answer, tune=[name], advised=16)
        assert 0 < len(made) <= sum(one.times for one in planned)
        most = max(one.spec.epochs for one in planned if one.times and one.spec.kind == "training")
        assert max(one.spec.epochs for one in made if one.spec.kind == "training") <= most
        searching = sum(getattr(one.spec, "schedule", None) is not None and one.spec.schedule.max_lr == "auto"
                        for one in made)  # fmt: skip
        assert searching <= sum(one.searching for one in planned)


class TestStages:
    def test_each_goes_on_with_what_the_ones_before_have_decided(self, tuned):
        def answer(one):
            if one.key.startswith("weight_decay"):
                assert one.spec.batch_size == 256
            return curve(1.0) if one.spec.kind == "range_test" else 0.4 - 0.1 * (one.spec.batch_size == 256)

        standing, _ = tuned(answer, tune=["batch_size", "weight_decay"])
        assert [one.stage for one in standing.decisions] == ["batch_size", "weight_decay"]

    def test_the_budget_ends_it_with_what_is_known(self, tuned):
        """Every job takes 3 s: three fit, and a sweep, of which nothing has told how long it takes, is begun."""
        answer = lambda one: curve(1.0) if one.spec.kind == "range_test" else 0.4  # noqa: E731
        standing, waves = tuned(answer, budget_seconds=10)
        assert [len(wave) for wave in waves] == [1, 2, 1]
        assert [one.values for one in standing.decisions] == [{}, {}, {}, {"batch_norm_momentum": "auto"}]

    def test_what_the_budget_was_too_small_for_says_so(self, tuned):
        """5 jobs of 3 s time the sizes, 4 try them: with 27 s the decay is out of reach, with 24 s a size is."""
        decay = "The budget did not suffice to try this. No short training told of any decay"
        for budget, sizes in ((27, "128 is recommended"), (24, "The budget did not suffice to try all of this")):
            standing, _ = tuned(lambda _: 0.4, tune=["batch_size", "weight_decay"], budget_seconds=budget)
            first, second = standing.decisions
            assert first.reason.startswith(sizes)
            assert second.reason.startswith(decay)
            assert (first.is_cut_short, second.is_cut_short) == (budget == 24, True)

    def test_a_budget_that_is_used_up_at_the_end_has_kept_nothing_from_it(self, tuned):
        standing, waves = tuned(lambda _: 0.4, tune=["batch_size"], budget_seconds=27)  # 5 + 4 jobs of 3 s
        assert [len(wave) for wave in waves] == [1, 4, 1, 3]
        assert not standing.decisions[0].is_cut_short


class TestSpec:
    def test_short_trainings_are_a_fifth(self):
        assert parse_spec(MINIMAL).short_epochs == 2
        assert parse_spec(MINIMAL | {"epochs": 1}).short_epochs == 1

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"tune": []}, "nothing to tune"),
            ({"tune": ["momentum"] * 2}, "twice"),
            ({"trial_epochs": 11}, "longer than"),
            ({"schedule": {"max_lr": 0.1}}, "not all at 0.1; leave max_lr open; a tuning picks it"),
            ({"schedule": {"policy": "step", "max_lr": 1}, "tune": ["batch_size"]}, "leave max_lr open"),
        ],
    )
    def test_what_does_not_go_together(self, fields, words):
        with pytest.raises(ValidationError, match=words):
            parse_spec(MINIMAL | fields)

    def test_values_go_to_their_places(self):
        training = changed(as_training(parse_spec(MINIMAL)), {"optimizer.momentum": 0.5, "batch_size": 32})
        assert (training.optimizer.momentum, training.optimizer.weight_decay, training.batch_size) == (0.5, 5e-4, 32)
