"""Columns of numbers read out of the history, and its lines as text."""

import csv
import io
import math

import pytest

from app.domain.lifecycle import JobState


def steps(first, losses, *, phase="training", rate=0.1, momentum=0.9):
    count = len(losses)
    columns = {"learning_rate": [rate] * count, "momentum": [momentum] * count, "loss": losses}
    return "steps", {"phase": phase, "first_step": first} | columns


def epoch(number, accuracy):
    data = {"epoch": number, "train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1.0, "seconds": 0.1}
    return "epoch", data | {"validation_accuracy": accuracy, "images_per_second": None}


@pytest.fixture
def written(submit, parts, hand_of):
    """A job whose history holds these events; returns its links."""

    def write(*events, **body):
        links = submit(**body)["links"]
        hand = hand_of(parts.database)
        hand.write(hand.claim(), *events)
        return links

    return write


@pytest.fixture
def metrics(client, written):
    def get(*events, query="", **body):
        response = client.get(written(*events, **body)["metrics"] + query)
        assert response.status_code == 200, response.text
        return response.json()

    return get


class TestTraining:
    def test_blocks_become_columns(self, metrics):
        body = metrics(steps(0, [3.0, 2.0]), epoch(1, 0.5), steps(2, [1.0], rate=0.2), epoch(2, 0.6))
        assert body["phase"] == "training"
        assert body["steps"] == {
            "step": [0, 1, 2],
            "learning_rate": [0.1, 0.1, 0.2],
            "momentum": [0.9, 0.9, 0.9],
            "training_loss": [3.0, 2.0, 1.0],
        }
        assert body["epochs"]["epoch"] == [1, 2]
        assert body["epochs"]["validation_accuracy"] == [0.5, 0.6]
        assert body["epochs"]["images_per_second"] == [None, None]
        assert (body["points"], body["total_steps"]) == (3, 3)

    def test_the_newest_attempt_wins_per_step(self, metrics):
        body = metrics(steps(0, [5.0, 5.0, 5.0]), epoch(1, 0.1), steps(1, [4.0]), epoch(1, 0.2), steps(0, [3.0]))
        assert body["steps"]["step"] == [0, 1, 2]
        assert body["steps"]["training_loss"] == [3.0, 4.0, 5.0]
        assert (body["epochs"]["epoch"], body["epochs"]["validation_accuracy"]) == ([1], [0.2])

    def test_a_rewind_takes_back_what_came_after(self, metrics):
        before = [steps(0, [5.0, 5.0]), epoch(1, 0.1), steps(2, [6.0, 7.0]), epoch(2, 0.2)]
        body = metrics(*before, ("rewind", {"to_step": 2, "reason": "It diverged."}), steps(2, [4.0]))
        assert body["steps"]["training_loss"] == [5.0, 5.0, 4.0]
        assert body["epochs"]["epoch"] == [1]

    def test_a_rewind_to_the_beginning_leaves_nothing(self, metrics):
        body = metrics(steps(0, [5.0]), epoch(1, 0.1), ("rewind", {"to_step": 0, "reason": "It diverged."}))
        assert (body["steps"]["step"], body["epochs"]["epoch"], body["total_steps"]) == ([], [], 0)

    def test_a_rewind_spares_the_sweep(self, metrics):
        sweep = steps(0, [5.0, 4.0], phase="range_test")
        sweep[1]["learning_rate"] = [0.1, 0.2]
        rewind = ("rewind", {"to_step": 0, "reason": "It diverged."})
        assert metrics(sweep, rewind, query="?phase=range_test")["total_steps"] == 2

    def test_not_finite_is_null(self, metrics):
        assert metrics(steps(0, [1.0, None, 2.0]))["steps"]["training_loss"] == [1.0, None, 2.0]

    def test_before_the_first_step(self, metrics):
        body = metrics()
        assert set(map(len, body["steps"].values())) == {0}
        assert (body["points"], body["total_steps"]) == (0, 0)

    @pytest.mark.parametrize("most", [2, 10, 99, 100, 5000])
    def test_fewer_points_on_demand(self, metrics, most):
        losses = [float(number % 17) for number in range(1000)]
        losses[421] = 1e6
        body = metrics(steps(0, losses), query=f"?max_points={most}")
        columns = body["steps"]
        assert {len(column) for column in columns.values()} == {body["points"]}
        assert body["points"] <= most
        assert body["total_steps"] == 1000
        assert (columns["step"][0], columns["step"][-1]) == (0, 999)
        assert columns["training_loss"] == [losses[step] for step in columns["step"]]  # rows stay rows
        assert most < 10 or 1e6 in columns["training_loss"]

    def test_a_thousand_by_default(self, metrics):
        body = metrics(steps(0, [0.5] * 3000))
        assert (body["total_steps"], body["points"] <= 1000) == (3000, True)

    def test_series(self, metrics):
        body = metrics(steps(0, [1.0]), epoch(1, 0.5), query="?series=training_loss&series=validation_accuracy")
        assert list(body["steps"]) == ["step", "training_loss"]
        assert list(body["epochs"]) == ["epoch", "validation_accuracy"]

    @pytest.mark.parametrize(
        ("query", "detail"),
        [
            ("series=trainng_loss", "The phase training has no series 'trainng_loss'; did you mean 'training_loss'?"),
            ("series=training_loss&series=zzz", "The phase training has no series 'zzz'."),
            ("phase=range_test&series=training_loss", "The phase range_test has no series 'training_loss'"),
            ("series=smoothed_loss", "The phase training has no series 'smoothed_loss'"),
        ],
    )
    def test_an_unknown_series_is_refused(self, client, submit, query, detail):
        response = client.get(f"{submit()['links']['metrics']}?{query}")
        assert response.status_code == 422
        assert [error["parameter"] for error in response.json()["errors"]] == ["series"]
        assert response.json()["detail"].startswith(detail)
        assert "learning_rate" in response.json()["hint"]

    @pytest.mark.parametrize(("phase", "count"), [("training", 4 + 7), ("range_test", 5)])
    def test_every_column_may_be_asked_for_and_is_documented(self, client, written, phase, count):
        url = f"{written(steps(0, [1.0], phase=phase), epoch(1, 0.5))['metrics']}?phase={phase}"
        whole = client.get(url).json()
        names = [*whole["steps"], *whole["epochs"]]
        assert len(names) == count
        assert client.get(url + "".join(f"&series={name}" for name in names)).json() == whole
        documented = client.get("/openapi.json").json()["components"]["schemas"]["Metrics"]["properties"]
        assert all(f"`{name}`" in documented["steps"]["description"] for name in whole["steps"])
        assert all(f"`{name}`" in documented["epochs"]["description"] for name in whole["epochs"])


class TestRangeTest:
    def sweep(self, count):
        rates = [1e-6 * 10 ** (7 * number / 200) for number in range(count)]
        losses = [2.3 - 0.01 * number if number < 150 else 0.8 + (number - 150) ** 2 for number in range(count)]
        event = steps(0, losses, phase="range_test", momentum=None)
        event[1]["learning_rate"] = rates
        return event, losses

    def test_columns(self, metrics):
        event, losses = self.sweep(200)
        body = metrics(event, kind="range_test")
        assert body["phase"] == "range_test"
        assert list(body["steps"]) == ["step", "sweep", "learning_rate", "loss", "smoothed_loss"]
        assert body["steps"]["sweep"] == [0] * 200
        assert body["steps"]["loss"] == losses
        assert body["steps"]["smoothed_loss"][100] == pytest.approx(losses[100], abs=0.05)
        assert body["epochs"] == {}

    @pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
    def test_while_it_has_only_begun(self, metrics, count):
        event, losses = self.sweep(count)
        body = metrics(event, kind="range_test")
        assert body["steps"]["loss"] == losses
        assert len(body["steps"]["smoothed_loss"]) == count

    @pytest.mark.parametrize("losses", [[None] * 10, [2.0] * 6 + [None] * 4, [2.0] * 10])
    def test_with_losses_that_are_not_finite(self, metrics, losses):
        event = steps(0, losses, phase="range_test")
        event[1]["learning_rate"] = [1e-3 * 1.5**number for number in range(10)]
        columns = metrics(event, kind="range_test")["steps"]
        assert [value is None for value in columns["loss"]] == [loss is None for loss in losses]
        assert all(value is None for value, loss in zip(columns["smoothed_loss"], losses, strict=True) if loss is None)

    @pytest.mark.parametrize("phase", ["range_test", "verifying"])
    def test_a_later_attempt_begins_anew_even_if_it_takes_fewer_steps(self, metrics, phase):
        """A worker on another device may see the loss diverge sooner."""
        first, second = [steps(0, [3.0, 3.0], phase=phase), steps(2, [2.0], phase=phase)], steps(0, [1.0], phase=phase)
        assert metrics(*first, second, query=f"?phase={phase}")["steps"]["step"] == [0]

    def test_a_training_with_a_sweep_of_its_own_shows_either(self, client, written):
        event, losses = self.sweep(100)
        url = written(event, steps(0, [9.0]))["metrics"]
        assert client.get(url).json()["steps"]["training_loss"] == [9.0]
        assert client.get(f"{url}?phase=range_test").json()["steps"]["loss"] == losses


class TestCsv:
    def read(self, client, url):
        response = client.get(url, headers={"Accept": "text/csv"})
        assert response.headers["content-type"].startswith("text/csv")
        return list(csv.DictReader(io.StringIO(response.text)))

    def test_steps(self, client, written):
        rows = self.read(client, written(steps(0, [1.5, None]))["metrics"])
        assert list(rows[0]) == ["step", "learning_rate", "momentum", "training_loss"]
        assert [row["step"] for row in rows] == ["0", "1"]
        assert float(rows[0]["training_loss"]) == 1.5
        assert rows[1]["training_loss"] == "nan"
        assert math.isnan(float(rows[1]["training_loss"]))

    def test_epochs_when_their_series_are_asked_for(self, client, written):
        url = written(steps(0, [1.0]), epoch(1, 0.5), epoch(2, None))["metrics"]
        rows = self.read(client, f"{url}?series=validation_accuracy")
        assert [dict(row) for row in rows] == [
            {"epoch": "1", "validation_accuracy": "0.5"},
            {"epoch": "2", "validation_accuracy": "nan"},
        ]


class TestLogs:
    def test_a_line_each(self, client, written):
        links = written(
            ("phase", {"phase": "training"}),
            steps(0, [1.0]),
            epoch(1, None),
            ("checkpoint", {"step": 9, "best": True}),
            ("checkpoint", {"step": 12, "best": False}),
            ("warning", {"code": "no_descent", "detail": "The loss never fell."}),
            ("log", {"level": "error", "message": "it broke"}),
            ("artifact", {"name": "a.png"}),
        )
        response = client.get(links["logs"])
        assert response.headers["content-type"].startswith("text/plain")
        lines = [line.split(" ", 1) for line in response.text.splitlines()]
        assert all(time.endswith("Z") for time, _ in lines)
        assert [text for _, text in lines] == [
            "[0] state queued",
            "[1] state running",
            "[1] phase training",
            "[1] epoch 1 train_loss=1.0000 train_accuracy=0.5000 validation_loss=1.0000 validation_accuracy=nan",
            "[1] checkpoint after step 9 (best so far)",
            "[1] checkpoint after step 12",
            "[1] warning no_descent: The loss never fell.",
            "[1] error: it broke",
        ]

    def test_a_failure_says_why(self, client, submit, parts, hand_of):
        links = submit()["links"]
        hand = hand_of(parts.database)
        error = {"code": "lr_diverged", "title": "T", "detail": "The loss exploded.", "hint": "Lower it."}
        hand.do("finish", hand.claim(), JobState.FAILED, error=error)
        assert client.get(links["logs"]).text.endswith("state failed: lr_diverged: The loss exploded. Lower it.\n")
        assert client.get(links["self"]).json()["error"] == error
