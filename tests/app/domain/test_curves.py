"""Downsampling: rows stay whole, peaks stay in, limits hold."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.curves import downsample

values = st.one_of(st.none(), st.floats())


@st.composite
def tables(draw):
    count = draw(st.integers(0, 120))
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, unique=True))
    columns = {name: draw(st.lists(values, min_size=count, max_size=count)) for name in names}
    return {"row": list(range(count)), **columns}


class TestDownsample:
    @given(table=tables(), max_points=st.integers(2, 60))
    def test_picks_whole_rows_in_order(self, table, max_points):
        short = downsample(table, max_points)
        rows = short["row"]
        assert len(rows) <= max_points
        assert rows == sorted(set(rows))
        for name, column in table.items():
            assert all(short[name][place] is column[row] for place, row in enumerate(rows))
        if table["row"]:
            assert (rows[0], rows[-1]) == (0, len(table["row"]) - 1)

    def test_short_tables_are_left_alone(self):
        table = {"step": [0, 1, 2], "loss": [1.0, None, 3.0]}
        assert downsample(table, 3) == table

    def test_every_spike_stays_in(self):
        loss = [1.0] * 10_000
        rate = [0.1] * 10_000
        loss[1234], loss[7777], rate[4321] = 9.0, -9.0, 5.0
        short = downsample({"step": list(range(10_000)), "loss": loss, "rate": rate}, 200)
        assert {1234, 7777, 4321} <= set(short["step"])

    def test_neither_null_nor_nan_nor_infinity_hides_a_peak(self):
        loss = [1.0, None, math.nan, math.inf, -math.inf] * 200
        loss[500] = 3.0
        assert 3.0 in downsample({"loss": loss}, 20)["loss"]

    def test_uses_most_of_the_room(self):
        noise = np.random.default_rng(0).random(5000).tolist()
        assert len(downsample({"step": list(range(5000)), "loss": noise}, 500)["loss"]) > 350

    def test_room_for_less_than_one_bucket_of_extremes(self):
        columns = {name: np.random.default_rng(seed).random(50).tolist() for seed, name in enumerate("abcdef")}
        assert len(downsample(columns, 5)["a"]) == 5

    def test_hundred_thousand_steps_are_quick(self):
        random = np.random.default_rng(0)
        table = {name: random.random(100_000).tolist() for name in ("learning_rate", "momentum", "loss", "x")}
        began = time.process_time()
        downsample(table, 500)
        assert time.process_time() - began < 0.3

    @pytest.mark.parametrize(
        ("columns", "max_points", "message"),
        [({"a": [1.0]}, 1, "at least 2"), ({"a": [1.0], "b": []}, 9, r"equally long, not \{'a': 1, 'b': 0\}")],
    )
    def test_refuses(self, columns, max_points, message):
        with pytest.raises(ValueError, match=message):
            downsample(columns, max_points)

    def test_no_columns(self):
        assert downsample({}, 10) == {}
