"""What an automatic run trains with, once its tuning has ended."""

import pytest

from app.domain.lifecycle import JobState
from app.domain.plans import Child, plan_of
from app.domain.specs import parse_spec
from app.domain.specs.auto import tuning_of
from app.domain.specs.training import as_training
from app.domain.specs.tuning import changed

MINIMAL = {"kind": "auto", "dataset": "digits", "budget_seconds": 100, "tune": ["weight_decay"]}
DECAY = "optimizer.weight_decay"


@pytest.fixture
def training():
    """The training that is made after a tuning which chose these values; `epochs` of it fit the budget."""

    def make(values, *, epochs, steps_per_epoch=100, **fields):
        spec = parse_spec(MINIMAL | fields)
        plan, chosen = plan_of(spec), changed(as_training(tuning_of(spec)), values)
        took = {"cost": {"seconds": 0.0}, "seconds_per_epoch": 100 / 1.3 / (epochs + 0.5)}
        result = {"values": values, "training": chosen.model_dump(mode="json"), **took}
        tuning = Child("tuning", "job_t", JobState.SUCCEEDED, result=result)
        (new,) = plan.advance(plan.settle(lambda _: steps_per_epoch), {"tuning": tuning}, None).new
        return new

    return make


class TestAllGiven:
    """Nothing is left to tune, and so there is no tuning."""

    @pytest.mark.parametrize(("length", "first"), [({}, "timing"), ({"epochs": 3}, "training")])
    def test_begins_without_a_tuning(self, length, first):
        optimizer = {"name": "sgd", "weight_decay": 1e-3, "momentum": 0.8}
        given = {"batch_size": 256, "batch_norm_momentum": 0.2, "optimizer": optimizer}
        plan = plan_of(parse_spec({"kind": "auto", "dataset": "digits", **given, **length}))
        step = plan.advance(plan.settle(lambda _: 100), {}, None)
        assert [one.key for one in step.new] == [first]
        spec = step.new[0].spec
        assert (spec.batch_size, spec.optimizer.weight_decay, spec.batch_norm_momentum) == (256, 1e-3, 0.2)


class TestFrozen:
    @pytest.mark.parametrize(("frozen", "expected"), [(10, 20), (19, 20), (20, 21), (300, 301)])
    def test_open_epochs_leave_one_for_the_body(self, training, frozen, expected):
        fields = {"architecture": "resnet18", "pretrained": True, "freeze": frozen}
        assert training({}, epochs=20, **fields).spec.epochs == expected


class TestTunedDecay:
    @pytest.mark.parametrize(
        ("optimizer", "epochs", "expected"),
        [
            ("sgd", 20, 6e-4),  # × 10 / 20 × 3 / 2.5, what 2,000 and 1,000 steps decay by
            ("sgd", 5, 1e-3),  # × 10 / 5 × 1.25 / 2.5
            ("sgd", 200, 6e-5),
            ("adamw", 40, 5e-4),  # × sqrt(5) / sqrt(20)
            ("adamw", 160, 2.5e-4),
        ],
    )
    def test_is_made_to_suit_another_length(self, training, optimizer, epochs, expected):
        new = training({DECAY: 1e-3}, epochs=epochs, optimizer=optimizer)
        assert (new.spec.epochs, new.spec.optimizer.weight_decay) == (epochs, pytest.approx(expected))

    def test_says_so(self, training):
        settled = training({DECAY: 1e-3}, epochs=40).settled["weight_decay"]
        assert settled == {
            "value": 3e-4,
            "origin": "tuning",
            "reason": "The tuning chose 0.001 for 10 epochs; for 40 the rule of auto makes 0.3 times that.",
        }

    @pytest.mark.parametrize(
        ("values", "fields"),
        [
            ({DECAY: 1e-3}, {"epochs": 10}),  # the length that it was tuned for
            ({DECAY: 1e-3}, {"epochs": 3}),  # 300 steps, too few for the rule
            ({DECAY: 1e-3}, {"epochs": 40, "steps_per_epoch": 20}),  # the tuning's 200 were
            ({DECAY: 1e-3}, {"epochs": 40, "architecture": "mlp"}),  # no batch norm
            ({DECAY: 1e-3}, {"epochs": 40, "optimizer": "adam"}),
            ({DECAY: 0.0}, {"epochs": 40}),
        ],
    )
    def test_stays_where_the_rule_tells_nothing(self, training, values, fields):
        new = training(values, **fields)
        assert (new.spec.optimizer.weight_decay, new.settled) == (values[DECAY], {})

    def test_one_that_was_given_stays(self, training):
        given = {"name": "sgd", "weight_decay": 3e-4}
        new = training({"batch_size": 256}, epochs=40, tune=["batch_size"], optimizer=given)
        assert (new.spec.optimizer.weight_decay, new.settled) == (3e-4, {})

    def test_nor_is_one_tuned_or_scaled_that_was_given_without_saying_what_to_tune(self):
        given = {"kind": "auto", "dataset": "digits", "optimizer": {"name": "sgd", "weight_decay": 3e-4}, "epochs": 40}
        plan = plan_of(parse_spec(given))
        known = plan.settle(lambda _: 100)
        (tuning,) = plan.advance(known, {}, None).new
        assert "weight_decay" not in tuning.spec.tune
        result = {"values": {"batch_size": 256}, "training": as_training(tuning.spec).model_dump(mode="json")}
        ended = Child("tuning", "job_t", JobState.SUCCEEDED, result=result)
        (new,) = plan.advance(known, {"tuning": ended}, None).new
        assert (new.spec.optimizer.weight_decay, new.settled) == (3e-4, {})

    @pytest.mark.parametrize(("steps_per_epoch", "expected"), [(79, 1e-3), (80, 7.49e-4)])
    def test_steps_are_those_of_the_batch_size_that_was_chosen(self, training, steps_per_epoch, expected):
        """Of twice the images, half as many: 39 or 40 an epoch, of which 10 epochs need 400 for the rule."""
        new = training({DECAY: 1e-3, "batch_size": 256}, epochs=40, steps_per_epoch=steps_per_epoch)
        assert new.spec.optimizer.weight_decay == pytest.approx(expected)
