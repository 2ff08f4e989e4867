import pytest
from pydantic import ValidationError

from app.domain.specs import parse_spec


class TestHeldOut:
    @pytest.mark.parametrize(
        ("fields", "fits"),
        [
            ({"held_out": 5}, True),  # of 100 steps, the fewest that are swept by default: 20 looks
            ({"held_out": 6}, False),
            ({"held_out": 10, "steps": 200}, True),
            ({"held_out": 11, "steps": 200}, False),
            ({"held_out": 1, "steps": 20}, True),
            ({"held_out": 2, "steps": 20}, False),
        ],
    )
    def test_looks_often_enough_for_a_curve(self, fields, fits):
        spec = {"kind": "range_test", "dataset": "digits", "architecture": "resnet9", **fields}
        if fits:
            assert parse_spec(spec).held_out == fields["held_out"]
        else:
            with pytest.raises(ValidationError, match="too few for a curve"):
                parse_spec(spec)
