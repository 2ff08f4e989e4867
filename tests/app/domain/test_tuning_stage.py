import math

import pytest

from app.domain.plans.tuning.stage import Tried, as_good_as_best


class TestAsGood:
    @pytest.mark.parametrize(
        ("losses", "within", "kept"),
        [
            ([1.49, 1.52, 1.47, 1.53], 0.02, [0, 2]),  # 1.4, 3.4, 0 and 4.1 % above the smallest
            ([1.49, 1.52, 1.47, 1.53], 0.05, [0, 1, 2, 3]),
            ([1.0, 1.05, 1.0501], 0.05, [0, 1]),  # the bound itself is within
            ([None, 2.0], 0.02, [1]),
            ([None, math.inf], 0.02, []),
        ],
    )
    def test_is_within_a_share_of_the_smallest_loss(self, losses, within, kept):
        found = [Tried(place, f"job_{place}", loss) for place, loss in enumerate(losses)]
        assert [one.value for one in as_good_as_best(found, within=within)] == kept
