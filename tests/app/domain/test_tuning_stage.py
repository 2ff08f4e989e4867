import math

import pytest

from app.domain.plans.tuning.stage import Tried, as_good_as_best


class TestAsGood:
    @pytest.mark.parametrize(
        ("losses", "kept"),
        [
            ([1.49, 1.52, 1.47, 1.53], [0, 1, 2, 3]),  # up to 4 % apart, which is luck
            ([1.49, 1.61, 1.78], [0]),  # 8 % and more
            ([1.0, 1.05, 1.0501], [0, 1]),  # the bound itself is within
            ([None, 2.0], [1]),
            ([None, math.inf], []),
        ],
    )
    def test_is_within_five_percent_of_the_smallest_loss(self, losses, kept):
        found = [Tried(place, f"job_{place}", loss) for place, loss in enumerate(losses)]
        assert [one.value for one in as_good_as_best(found)] == kept
