"""What an automatic run refuses before anything is queued."""

import pytest
from pydantic import ValidationError

from app.domain.specs import parse_spec
from app.domain.specs.auto import comparison_of, tuning_of
from app.domain.specs.comparison import arms_of
from app.domain.specs.training import as_training
from app.domain.specs.tuning import EVERYTHING

MINIMAL = {"kind": "auto", "dataset": "digits"}
ALL_GIVEN = {
    "batch_size": 256,
    "batch_norm_momentum": 0.2,
    "optimizer": {"name": "sgd", "momentum": 0.8, "weight_decay": 1e-3},
}
FROZEN = {"architecture": "mobilenet_v2", "pretrained": True}


@pytest.fixture
def refused():
    """The field and the words of the one error."""

    def find(**fields):
        with pytest.raises(ValidationError) as caught:
            parse_spec(MINIMAL | fields)
        (entry,) = caught.value.errors()
        assert (entry["type"], entry["loc"]) == ("fields_at_odds", ("auto",))
        return entry["ctx"]["field"], entry["msg"]

    return find


class TestCompare:
    @pytest.mark.parametrize("policy", ["step", "constant", "linear", "cosine"])
    def test_no_other_policy_goes_by_the_name_of_one_cycle(self, refused, policy):
        field, words = refused(schedule={"policy": policy}, compare=True)
        assert field == "schedule"
        assert words == (
            f"a comparison has the training as its one cycle, not under {policy}; leave out compare, or take policy "
            "one_cycle"
        )

    def test_another_policy_may_be_trained_under(self):
        assert parse_spec(MINIMAL | {"schedule": {"policy": "step"}}).schedule.policy == "step"

    def test_any_shape_of_one_cycle_is_compared(self):
        assert parse_spec(MINIMAL | {"schedule": {"shape": "triangle"}, "compare": True}).compare

    def test_every_arm_searches_as_long_as_the_training_is_told_to(self):
        """A comparison has one place for that, an automatic run another."""
        spec = parse_spec(MINIMAL | {"schedule": {"search_steps": 150, "up": 0.4}, "compare": True})
        comparison = comparison_of(as_training(spec, epochs=10))
        assert comparison.search_steps == 150
        cycle = arms_of(comparison)["one_cycle"].schedule
        assert (cycle.up, cycle.search_steps) == (0.4, None)

    @pytest.mark.parametrize(
        ("fields", "at_fault"), [({"epochs": 2501}, "epochs"), (FROZEN | {"freeze": 2500}, "freeze")]
    )
    def test_names_what_makes_the_baseline_too_long(self, refused, fields, at_fault):
        field, words = refused(compare=True, **fields)
        assert field == at_fault
        assert words == "a baseline over 4 times as many epochs would take more than 10,000"


class TestFrozen:
    @pytest.mark.parametrize("frozen", [1, 9, 10, 300, 9999])
    def test_open_epochs_are_more(self, frozen):
        spec = parse_spec(MINIMAL | FROZEN | {"freeze": frozen})
        assert spec.epochs is None
        assert tuning_of(spec).epochs == max(10, frozen + 1)

    def test_not_longer_than_a_training_may_be(self, refused):
        field, words = refused(**FROZEN, freeze=10_000)
        assert (field, words) == ("freeze", "a training has at most 10,000 epochs, which leaves none for the body")

    def test_fewer_than_were_given(self, refused):
        field, words = refused(**FROZEN, freeze=10, epochs=10)
        assert (field, words) == ("freeze", "of 10 epochs, 10 frozen ones leave none for the body")


class TestGiven:
    @pytest.mark.parametrize(
        ("fields", "left"),
        [
            ({}, EVERYTHING),
            ({"batch_size": 128}, ("weight_decay", "momentum", "batch_norm_momentum")),  # if only as by default
            ({"optimizer": {"name": "adamw", "weight_decay": 0}}, ("batch_size", "momentum", "batch_norm_momentum")),
            ({"optimizer": {"name": "sgd", "momentum": 0.8}}, ("batch_size", "weight_decay", "batch_norm_momentum")),
            ({"schedule": {"max_momentum": 0.9}}, ("batch_size", "weight_decay", "batch_norm_momentum")),
            ({"schedule": {"min_momentum": 0.8}}, ("batch_size", "weight_decay", "batch_norm_momentum")),
            ({"batch_norm_momentum": 0.2}, ("batch_size", "weight_decay", "momentum")),
            (ALL_GIVEN, ()),
        ],
    )
    def test_is_not_tuned(self, fields, left):
        assert parse_spec(MINIMAL | fields).tune == left

    @pytest.mark.parametrize(
        "fields",
        [
            {"optimizer": "adamw"},
            {"optimizer": {"name": "sgd", "nesterov": False, "weight_decay": "auto"}},
            {"schedule": {"shape": "cosine", "max_momentum": None}},
            {"batch_norm_momentum": "auto"},
            {"batch_norm_momentum": None},
        ],
    )
    def test_what_is_left_open_is(self, fields):
        assert parse_spec(MINIMAL | fields).tune == EVERYTHING

    def test_tuned_where_that_is_asked_for(self):
        spec = parse_spec(MINIMAL | ALL_GIVEN | {"tune": ["weight_decay"]})
        tuning = tuning_of(spec)
        assert (spec.tune, tuning.tune, tuning.optimizer.weight_decay) == (("weight_decay",), ("weight_decay",), 1e-3)

    def test_a_row_is_read_as_it_was_submitted(self):
        spec = parse_spec(MINIMAL | {"batch_size": 256})
        assert parse_spec(spec.model_dump(mode="json")) == spec

    def test_max_lr_with_all_else(self):
        assert parse_spec(MINIMAL | ALL_GIVEN | {"schedule": {"max_lr": 0.1, "max_momentum": 0.9}}).tune == ()

    @pytest.mark.parametrize("wrong", [{"optimizer": 1}, {"schedule": ["up"]}, {"optimizer": {"weight_decay": "x"}}])
    def test_what_has_no_form_is_refused_as_ever(self, wrong):
        with pytest.raises(ValidationError) as caught:
            parse_spec(MINIMAL | wrong)
        assert {entry["loc"][:2] for entry in caught.value.errors()} == {("auto", *wrong)}


class TestMaxLr:
    @pytest.mark.parametrize("tune", [["momentum"], ["batch_norm_momentum"]])
    def test_is_for_the_tuning_to_pick(self, refused, tune):
        field, words = refused(tune=tune, schedule={"max_lr": 0.1})
        assert field == "schedule"
        assert words.endswith("leave max_lr open; a tuning picks it")

    def test_may_be_given_where_nothing_is_tuned(self):
        assert parse_spec(MINIMAL | {"tune": [], "schedule": {"max_lr": 0.1}}).schedule.max_lr == 0.1
