"""Several sweeps of one range test stay apart in its metrics."""

import csv
import io

import pytest

from app.domain.landmarks import smooth_losses


class Sweep:
    """Learning rates that rise from 1e-4, and losses that fall to a valley and rise from it to `last`."""

    def __init__(self, count, *, last):
        self.rates = [1e-4 * 1.1**step for step in range(count)]
        self.losses = [2.0 - step / count for step in range(count - 1)] + [last]


# Rows 0 to 59, 60 to 99 (its loss diverged early) and 100 to 159.
SWEEPS = [Sweep(60, last=40.0), Sweep(40, last=90.0), Sweep(60, last=7.0)]
NUMBERS = [0] * 60 + [1] * 40 + [2] * 60


def blocks(sweeps):
    """The events in which an engine tells of them: none goes beyond the end of its sweep."""
    first = 0
    for sweep in sweeps:
        for start in range(0, len(sweep.rates), 25):
            rates, losses = (column[start : start + 25] for column in (sweep.rates, sweep.losses))
            columns = {"learning_rate": rates, "momentum": [None] * len(rates), "loss": losses}
            yield "steps", {"phase": "range_test", "first_step": first, **columns}
            first += len(rates)


@pytest.fixture
def url(submit, parts, hand_of):
    """The metrics of a range test that made these sweeps."""

    def write(sweeps):
        links = submit(kind="range_test")["links"]
        hand = hand_of(parts.database)
        hand.write(hand.claim(), *blocks(sweeps))
        return links["metrics"]

    return write


class TestSweeps:
    def test_each_step_says_which_it_is_of(self, client, url):
        columns = client.get(url(SWEEPS)).json()["steps"]
        assert columns["sweep"] == NUMBERS
        assert columns["step"] == list(range(160))  # counted through all of them
        assert columns["learning_rate"] == [rate for sweep in SWEEPS for rate in sweep.rates]

    def test_each_is_smoothed_on_its_own(self, client, url):
        columns = client.get(url(SWEEPS)).json()["steps"]
        alone = [value for sweep in SWEEPS for value in smooth_losses(sweep.rates, sweep.losses)]
        assert columns["smoothed_loss"] == pytest.approx(alone)

    def test_of_a_single_step(self, client, url):
        """A loss that is no number ends a sweep, be it the first."""
        broken = [Sweep(1, last=None), Sweep(1, last=None), Sweep(30, last=9.0)]
        columns = client.get(url(broken)).json()["steps"]
        assert columns["sweep"] == [0, 1] + [2] * 30
        assert columns["smoothed_loss"][:2] == [None, None]
        assert columns["smoothed_loss"][2:] == pytest.approx(smooth_losses(broken[2].rates, broken[2].losses))

    @pytest.mark.parametrize("most", [2, 20, 50])
    def test_rows_stay_rows_with_fewer_points(self, client, url, most):
        whole, short = (client.get(url(SWEEPS) + query).json()["steps"] for query in ("", f"?max_points={most}"))
        assert len(short["step"]) <= most
        for name, column in short.items():
            assert column == [whole[name][step] for step in short["step"]]
        assert most < 20 or set(short["sweep"]) == {0, 1, 2}
        assert {type(number) for number in short["sweep"]} == {int}

    def test_as_csv(self, client, url):
        answer = client.get(url(SWEEPS), headers={"Accept": "text/csv"}).text
        rows = list(csv.DictReader(io.StringIO(answer)))
        assert list(rows[0]) == ["step", "sweep", "learning_rate", "loss", "smoothed_loss"]
        assert [row["sweep"] for row in rows] == [str(number) for number in NUMBERS]

    def test_is_a_series(self, client, url):
        assert client.get(url(SWEEPS) + "?series=sweep").json()["steps"] == {"step": list(range(160)), "sweep": NUMBERS}


class TestHeldOut:
    @pytest.fixture
    def looked(self, submit, parts, hand_of):
        links = submit(kind="range_test")["links"]
        columns = {"learning_rate": [1e-4, 1e-3, 1e-2], "momentum": [0.9] * 3, "loss": [2.0, 1.5, 1.0]}
        block = {"phase": "range_test", "first_step": 0, **columns, "held_out_loss": [2.1, None, 1.2]}
        hand = hand_of(parts.database)
        hand.write(hand.claim(), ("steps", block))
        return links["metrics"]

    def test_has_a_column(self, client, looked):
        columns = client.get(looked).json()["steps"]
        assert columns["held_out_loss"] == [2.1, None, 1.2]
        assert columns["loss"] == [2.0, 1.5, 1.0]

    def test_which_can_be_asked_for_alone(self, client, looked):
        columns = client.get(looked, params={"series": "held_out_loss"}).json()["steps"]
        assert columns == {"step": [0, 1, 2], "held_out_loss": [2.1, None, 1.2]}

    def test_where_nobody_looked_there_is_none(self, client, url):
        assert "held_out_loss" not in client.get(url(SWEEPS)).json()["steps"]
