"""What an automatic run refuses before anything is queued."""

import pytest
from pydantic import ValidationError

from app.domain.specs import parse_spec

MINIMAL = {"kind": "auto", "dataset": "digits"}


class TestMaxLr:
    @pytest.mark.parametrize("tune", [["momentum"], ["batch_norm_momentum"]])
    def test_is_for_the_tuning_to_pick(self, tune):
        with pytest.raises(ValidationError) as caught:
            parse_spec(MINIMAL | {"tune": tune, "schedule": {"max_lr": 0.1}})
        (entry,) = caught.value.errors()
        assert (entry["type"], entry["ctx"]["field"]) == ("fields_at_odds", "schedule")
        assert entry["msg"].endswith("leave max_lr open; a tuning picks it")

    def test_may_be_given_where_nothing_is_tuned(self):
        assert parse_spec(MINIMAL | {"tune": [], "schedule": {"max_lr": 0.1}}).schedule.max_lr == 0.1
