import numpy as np
import pytest

from worker.engine.data import split_validation


class TestSplitValidation:
    @pytest.mark.parametrize(
        ("counts", "share", "expected"),
        [
            ([100, 50], 0.1, [10, 5]),  # the same share of each
            ([10, 1], 0.2, [2, 0]),  # the only image of a class stays in training
            ([2, 2], 0.9, [1, 1]),  # round(1.8) = 2, but one must stay
            ([3, 4], 0.1, [0, 1]),  # nothing by rounding, so one of the largest class
        ],
    )
    def test_counts_per_class(self, counts, share, expected):
        labels = np.repeat([0, 1], counts)
        train, validation = split_validation(labels, share, seed=0)
        assert np.bincount(labels[validation], minlength=2).tolist() == expected
        assert sorted([*train, *validation]) == list(range(len(labels)))

    def test_depends_on_the_seed_alone(self):
        labels = np.repeat([0, 1, 2], 40)
        first, again, other = (split_validation(labels, 0.25, seed=seed)[1] for seed in (3, 3, 4))
        assert first.tolist() == again.tolist() != other.tolist()
