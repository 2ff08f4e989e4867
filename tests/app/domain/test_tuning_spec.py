"""What tunings and automatic runs say, and what is refused before anything is queued."""

import pytest
from pydantic import ValidationError

from app.domain.specs import parse_spec
from app.domain.specs.training import as_training
from app.domain.specs.tuning import short

MINIMAL = {"dataset": "digits", "architecture": "mlp"}


@pytest.fixture
def refused():
    """The field and the words of the one error."""

    def find(**fields):
        with pytest.raises(ValidationError) as caught:
            parse_spec(MINIMAL | fields)
        (entry,) = caught.value.errors()
        return entry["ctx"]["field"], entry["msg"]

    return find


class TestTestSplit:
    @pytest.mark.parametrize("kind", ["tuning", "auto"])
    def test_nothing_is_chosen_on_it(self, refused, kind):
        field, words = refused(kind=kind, validation="test")
        assert field == "validation"
        assert words.startswith("choices would be made on the test split")

    def test_a_short_training_leaves_it_closed(self):
        training = as_training(parse_spec(MINIMAL | {"kind": "tuning"}))
        assert training.evaluate_test
        assert not short(training, 1, {}).evaluate_test

    def test_no_search_opens_it(self, refused):
        search = {"fields": {"evaluate_test": {"choices": [True, False]}}}
        told = "evaluate_test must not change from trial to trial"
        assert refused(kind="tuning", tune=[], search=search) == ("search", told)


class TestRefused:
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"tune": []}, "tune"),
            ({"tune": ["momentum", "momentum"]}, "tune"),
            ({"epochs": 2, "trial_epochs": 3}, "trial_epochs"),
            ({"batch_size": "auto"}, "batch_size"),
            ({"search": {"fields": {"epochs": {"low": 1, "high": 2}}}}, "search"),
        ],
    )
    def test_fields_at_odds(self, refused, fields, field):
        assert refused(kind="tuning", **fields)[0] == field
