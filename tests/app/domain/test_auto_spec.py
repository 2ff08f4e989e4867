"""What an automatic run refuses before anything is queued."""

import pytest
from pydantic import ValidationError

from app.domain.specs import parse_spec

MINIMAL = {"kind": "auto", "dataset": "digits"}


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


class TestMaxLr:
    @pytest.mark.parametrize("tune", [["momentum"], ["batch_norm_momentum"]])
    def test_is_for_the_tuning_to_pick(self, refused, tune):
        field, words = refused(tune=tune, schedule={"max_lr": 0.1})
        assert field == "schedule"
        assert words.endswith("leave max_lr open; a tuning picks it")

    def test_may_be_given_where_nothing_is_tuned(self):
        assert parse_spec(MINIMAL | {"tune": [], "schedule": {"max_lr": 0.1}}).schedule.max_lr == 0.1
