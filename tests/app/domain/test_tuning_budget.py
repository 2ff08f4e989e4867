"""Which jobs of a tuning its budget still allows: as many as fit, by what those before them have taken."""

import pytest

from app.domain.lifecycle import JobState
from app.domain.plans import Child, NewChild, plan_of
from app.domain.plans.tuning.budget import affordable
from app.domain.specs import parse_spec

MINIMAL = {"dataset": "digits", "architecture": "resnet9"}
TRAINING = parse_spec({"kind": "training", **MINIMAL, "epochs": 2})
SWEEP = parse_spec({"kind": "range_test", **MINIMAL})
WANTED = [NewChild(f"momentum/trial/{place}", TRAINING) for place in range(4)]


def child(key, seconds, state=JobState.SUCCEEDED, *, spec=TRAINING, **facts):
    return {key: Child(key, f"job_{key}", state, spec.model_dump(mode="json"), seconds=seconds, **facts)}


def allowed(children, budget, wanted=WANTED):
    return [one.key.rpartition("/")[2] for one in affordable(wanted, children, budget)]


class TestAffordable:
    def test_all_without_a_budget(self):
        assert allowed({}, None) == ["0", "1", "2", "3"]

    def test_the_first_of_a_wave_alone(self):
        assert allowed({}, 10) == ["0"]
        assert allowed(child("momentum/trial/0", 0.0, JobState.RUNNING), 10, WANTED[1:]) == []
        assert allowed(child("momentum/sweep/0", 3.0, JobState.RUNNING, spec=SWEEP), 10) == []

    @pytest.mark.parametrize(("budget", "more"), [(12, ["1", "2", "3"]), (9, ["1", "2"]), (5.9, []), (3, []), (1, [])])
    def test_then_as_many_as_fit_together(self, budget, more):
        assert allowed(child("momentum/trial/0", 3.0), budget, WANTED[1:]) == more

    def test_those_under_way_are_taken_to_last_as_long_as_the_longest(self):
        children = child("momentum/trial/0", 3.0) | child("momentum/trial/1", 0.0, JobState.QUEUED)
        assert allowed(children, 9, WANTED[2:]) == ["2"]

    @pytest.mark.parametrize(
        "told_nothing",
        [
            child("momentum/trial/0", 0.1, JobState.FAILED),
            child("momentum/trial/0", 0.0, resolved={"reused": {"value": "job_before"}}),
        ],
    )
    def test_one_that_failed_or_was_taken_over_tells_no_length(self, told_nothing):
        assert allowed(told_nothing, 10, WANTED[1:]) == ["1"]

    @pytest.mark.parametrize(
        ("epochs", "spec", "expected"), [(1, TRAINING, []), (2, TRAINING, []), (3, TRAINING, ["0"]), (1, SWEEP, ["0"])]
    )
    def test_a_wave_does_not_begin_where_a_job_as_short_took_more_than_is_left(self, epochs, spec, expected):
        before = spec if spec is SWEEP else spec.model_copy(update={"epochs": epochs})
        assert allowed(child("batch_size/time/128", 6.0, spec=before), 10) == expected

    @pytest.mark.parametrize(("batch", "expected"), [(16, ["0"]), ("auto", ["0"]), (512, [])])
    def test_only_a_job_in_batches_as_large_tells_that(self, batch, expected):
        """One of 16 images takes many times as long."""
        before = TRAINING.model_copy(update={"batch_size": batch})
        assert allowed(child("batch_size/time/1", 6.0, spec=before), 10) == expected

    def test_nothing_once_it_is_spent(self):
        assert allowed(child("momentum/sweep/0", 10.0, spec=SWEEP), 10) == []


def play(seconds, *, sweeps=None, **fields):
    """A tuning whose jobs, or trainings, take so many seconds each; its standing, children, and keys by wave."""
    plan = plan_of(parse_spec({"kind": "tuning", **MINIMAL} | fields))
    settled, children, waves = plan.settle(lambda _: 9), {}, []
    points = lambda _, __, count, ___: [{"label_smoothing": 0.1}] * count  # noqa: E731
    while not (step := plan.advance(settled, children, points)).is_over:
        waves.append([one.key for one in step.new])
        for one in step.new:
            took = sweeps if sweeps is not None and one.spec.kind == "range_test" else seconds
            children |= child(one.key, took, spec=one.spec, **_answer(one))
    return plan.standing(settled, children, lambda *_: []), children, waves


def _answer(new):
    """A result, and what the job has settled."""
    size = {"batch_size": {"value": 128, "reason": "."}} if getattr(new.spec, "batch_size", None) == "auto" else {}
    if new.spec.kind == "range_test":
        return {"result": {"max_lr": 0.5, "landmarks": {"edge": 1.0}, "lowest_loss": 1.0}}
    last = {"validation_loss": 0.4, "validation_accuracy": 0.5}
    return {"resolved": new.settled | size, "result": {"last": last, "seconds": 2.0, "epochs_run": new.spec.epochs}}


class TestTuning:
    def test_one_long_job_ends_a_tuning_of_everything(self):
        """An epoch takes ten minutes, of 24 s: the present size alone is timed, and nothing changes."""
        standing, children, _ = play(600.0, budget_seconds=24, trial_epochs=1)
        assert list(children) == ["batch_size/time/128"]
        assert [one.values for one in standing.decisions] == [{}, {}, {}, {"batch_norm_momentum": "auto"}]
        assert all(one.is_cut_short for one in standing.decisions)

    @pytest.mark.parametrize("budget", [10, 20, 40, 80, 120])
    def test_no_budget_is_exceeded_by_more_than_a_job(self, budget):
        search = {"fields": {"label_smoothing": {"low": 0, "high": 0.2}}, "trials": 5}
        standing, children, _ = play(3.0, budget_seconds=budget, search=search)
        assert budget - 3 < sum(one.seconds for one in children.values()) < budget + 3 or len(children) == 30
        assert standing.is_over
        assert [one.stage for one in standing.decisions][-1] == "search"

    def test_several_go_together_once_one_has_told_how_long_they_take(self):
        _, _, waves = play(3.0, budget_seconds=1000, tune=["batch_size", "weight_decay"])
        assert [len(wave) for wave in waves][:4] == [1, 4, 1, 3]
        assert [wave[0].rpartition("/")[0] for wave in waves if len(wave) > 1][2:] == [
            "weight_decay/sweep", "weight_decay/trial"
        ]  # fmt: skip

    def test_a_wave_cut_short_decides_on_what_there_is(self):
        standing, children, _ = play(3.0, budget_seconds=11, tune=["momentum"])
        assert list(children) == [f"momentum/{one}" for one in ("sweep/0.85", "trial/0.95", "trial/0.9")]
        (decision,) = standing.decisions
        assert (decision.values, decision.is_cut_short) == ({"schedule.max_momentum": 0.95}, True)
        assert decision.reason.startswith("The budget did not suffice to try all of this. Validation losses")

    def test_a_stage_that_was_decided_is_not_opened_again(self):
        """3 s are left for trainings of 5 s: sweeps fit into that, and the sizes stay as they were decided."""
        standing, children, _ = play(5.0, sweeps=0.5, budget_seconds=28, tune=["batch_size", "momentum"], epochs=5)
        assert [key for key in children if "time" not in key] == ["momentum/sweep/0.85"]
        assert [one.is_cut_short for one in standing.decisions] == [True, True]
