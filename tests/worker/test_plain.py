"""Values as they go into rows: no number that JSON does not know."""

import math
from pathlib import Path

import pytest

from worker.reporter import plain


class TestPlain:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (math.nan, None),
            (-math.inf, None),
            (1.5, 1.5),
            (3, 3),
            (True, True),
            (None, None),
            ("x", "x"),
            (Path("/a/b"), "/a/b"),
            ({"a": [1.0, math.inf, (math.nan, "y")]}, {"a": [1.0, None, [None, "y"]]}),
        ],
    )
    def test_values(self, value, expected):
        assert plain(value) == expected
