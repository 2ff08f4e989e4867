"""A picked learning rate that diverges: the training begins again at a smaller one, at most twice."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from app.domain.presets import filled
from app.domain.suggestion import suggest_learning_rate
from worker.datasets.class_folders import content_version, read_class_folders
from worker.datasets.source import DatasetSource
from worker.engine.errors import LrDiverged
from worker.engine.events import CheckpointSaved, EpochDone, Rewound, StepsDone, Warned
from worker.messages import Settled
from worker.work import run

SPEC = {
    "kind": "training", "dataset": "digits", "architecture": {"name": "mlp", "width": 8}, "epochs": 2,
    "precision": "fp32", "compile": "off", "batch_size": 256, "augmentation": "none",
    "schedule": {"policy": "constant"},
}  # fmt: skip


class KilledError(Exception):
    """What a kill -9 is to the process."""


class RememberingLine:
    """Notes what is said; with `fragile` the process ends after the first checkpoint behind a rewind."""

    def __init__(self, *, fragile=False):
        self.events, self.settled, self.picks, self.fragile = [], {}, [], fragile

    def emit(self, event):
        self.events.append(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def rates(self):
        """The peak of every run's steps."""
        runs = [[]]
        for event in self.events:
            if isinstance(event, Rewound):
                runs.append([])
            elif isinstance(event, StepsDone) and event.phase == "training":
                runs[-1] += event.learning_rate
        return [max(rates) for rates in runs]

    def stop_requested(self):
        kinds = [type(event) for event in self.events]
        if self.fragile and Rewound in kinds and CheckpointSaved in kinds[kinds.index(Rewound) :]:
            raise KilledError

    def send(self, message):
        if isinstance(message, Settled):
            self.settled[message.name] = {"value": message.value, "origin": message.origin, "reason": message.reason}
            self.picks += [message.value] if message.name == "max_lr" else []


@pytest.fixture(autouse=True, scope="module")
def _no_pictures():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_range_test", "draw_training"):  # they have their own tests
            patch.setattr(f"worker.outputs.Outputs.{name}", lambda *_, **__: None)
        yield


@pytest.fixture(scope="module")
def assign(assignment_of):
    """A training whose range test is over."""

    def make(folder, max_lr, *, restarts=0, **changes):
        resolved = {
            "max_lr": {"value": max_lr, "origin": "range_test", "reason": "The loss fell."},
            "search_steps": {"value": 100, "origin": "range_test", "reason": ""},
            "restarts": {"value": restarts, "origin": "divergence", "reason": ""},
        }
        return assignment_of(folder, SPEC | changes, checkpoint_seconds=0, resolved=resolved)

    return make


# Rates that the network does not survive: no third of the one, and a third or a ninth of the other.
HOPELESS, HIGH = 1e6, 45.0


@pytest.fixture(scope="module")
def held(tmp_path_factory, assign):
    """A training that was lowered until it held: what was said, its result, the checkpoints left at each rewind."""
    there, left = assign(tmp_path_factory.mktemp("held"), HIGH), []

    class Looking(RememberingLine):
        def emit(self, event):
            if isinstance(event, Rewound):
                left.append(list(there.places.checkpoints.iterdir()))
            super().emit(event)

    (there.places.checkpoints / f"checkpoint-{5:09d}-{'a' * 16}.pt").write_bytes(b"diverged")
    line = Looking()
    return line, run(there, line).result, left


class TestLowering:
    def test_until_it_holds(self, held):
        line, result, _ = held
        assert len(line.of(Rewound)) in (1, 2)
        assert line.rates == pytest.approx([HIGH / 3**lowered for lowered in range(len(line.rates))])
        assert line.settled["max_lr"]["value"] == line.rates[-1]
        assert line.settled["max_lr"]["origin"] == "range_test"
        assert line.settled["restarts"]["value"] == len(line.of(Rewound))
        assert result["epochs_run"] == 2

    def test_says_why_from_the_oldest_to_the_newest_and_what_it_cost(self, held):
        line, result, _ = held
        first, last = line.of(Rewound)[0], line.of(Rewound)[-1]
        assert first.to_step == 0
        assert first.reason.startswith(
            "The loss fell. Training at 45 diverged, so it began again at 15, a third of it. Between steps"
        )
        assert line.settled["max_lr"]["reason"] == last.reason
        before = line.events[: line.events.index(last)]
        wasted = sum(len(event.loss) for event in before if isinstance(event, StepsDone))
        assert result["search_steps"] == line.settled["search_steps"]["value"] == 100 + wasted

    @pytest.mark.parametrize(("restarts", "runs"), [(0, 3), (2, 1)])
    def test_at_most_twice_over_all_attempts(self, tmp_path, assign, restarts, runs):
        line = RememberingLine()
        with pytest.raises(LrDiverged, match="max_lr was lowered 2 times") as caught:
            run(assign(tmp_path, HOPELESS, restarts=restarts), line)
        assert len(line.rates) == runs
        assert f"a number below {line.rates[-1]:.2g}, or, where schedule.pick names a landmark" in caught.value.hint

    def test_never_a_number_of_the_users(self, tmp_path, assign):
        line = RememberingLine()
        with pytest.raises(LrDiverged) as caught:
            run(assign(tmp_path, HIGH, schedule={"policy": "constant", "max_lr": HOPELESS}), line)
        assert not line.of(Rewound)
        assert caught.value.hint == LrDiverged.hint


class TestCheckpoints:
    def test_those_of_the_diverged_training_are_gone(self, held):
        line, _, left = held
        assert left == [[]] * len(line.of(Rewound))

    def test_a_worker_killed_later_goes_on_at_the_lowered_rate(self, tmp_path, assign, held):
        whole, first, second = held[0], RememberingLine(fragile=True), RememberingLine()
        there = assign(tmp_path, HIGH)
        with pytest.raises(KilledError):
            run(there, first)
        saved = first.of(CheckpointSaved)[-1]
        run(replace(there, resolved=there.resolved | first.settled, resume=saved.path), second)
        assert second.rates == [whole.rates[-1]]
        assert second.of(EpochDone)[-1].validation_loss == whole.of(EpochDone)[-1].validation_loss


class TestPick:
    @pytest.fixture
    def open_choice(self, tmp_path, assign):
        schedule = {"policy": "constant", "pick": "minimum_over_ten"}
        return replace(assign(tmp_path, 0.0, schedule=schedule, epochs=1), resolved={})

    def test_a_landmark_of_the_users_choice(self, open_choice):
        run(open_choice, line := RememberingLine())
        assert "is the landmark minimum_over_ten, as the spec asks" in line.settled["max_lr"]["reason"]
        assert line.rates == [line.settled["max_lr"]["value"]]
        assert "fallback_max_lr" in line.settled

    def test_one_that_is_not_there_is_a_warning(self, open_choice, monkeypatch):
        flat = suggest_learning_rate([1e-5 * 1.1**step for step in range(100)], [2.3] * 100)
        monkeypatch.setattr("worker.search.read_curves", lambda *_, **__: flat)
        run(open_choice, line := RememberingLine())
        [warning] = [event for event in line.of(Warned) if event.code == "landmark_missing"]
        assert line.settled["max_lr"]["reason"] == f"{warning.detail} {flat.reason}"
        assert line.settled["max_lr"]["value"] == flat.max_lr
        assert "fallback_max_lr" not in line.settled


@pytest.fixture(scope="module")
def easy(tmp_path_factory, assignment_of):
    """The preset case_study, which picks the edge, on three brightnesses of 40 pictures each."""
    folder, random = tmp_path_factory.mktemp("easy"), np.random.default_rng(0)
    for kind, level in {"dark": 60, "grey": 130, "light": 200}.items():
        (folder / "images" / kind).mkdir(parents=True)
        for number in range(40):
            pixels = random.normal(level, 15, (28, 28)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / kind / f"{number}.png")
    found = read_class_folders(folder / "images")
    digests = {path: sha256((found.root / path).read_bytes()).hexdigest() for path in found.train.paths}
    source = DatasetSource("registered", "easy", folder / "images", content_version(digests), "L", 28)
    spec = filled("case_study", {"kind": "training", "dataset": "easy"})
    return assignment_of(folder, spec, dataset=source, default_image_size=28)


@pytest.fixture(scope="module")
def gave_way(easy):
    line = RememberingLine()
    return line, run(easy, line).result


class TestLandmarkFarBeyondWhatTrains:
    def test_gives_way_to_our_own_rule(self, gave_way):
        line, result = gave_way
        edge, lowered = line.picks[:2]
        assert lowered == line.settled["fallback_max_lr"]["value"] < edge / 9
        told = f"Training at {edge:.2g} diverged, so it began again at {lowered:.2g}, which this service's own rule"
        assert told in line.settled["max_lr"]["reason"]
        assert result["epochs_run"] == 12
        assert result["best"]["validation_accuracy"] > 0.9

    def test_a_later_attempt_knows_that_rule(self, easy, gave_way):
        edge, *lowered = gave_way[0].picks
        settled = {name: value for name, value in gave_way[0].settled.items() if name != "restarts"}
        known = settled | {"max_lr": settled["max_lr"] | {"value": edge}}
        run(replace(easy, resolved=known), line := RememberingLine())
        assert line.picks == lowered

    def test_thirds_alone_would_not_have_done(self, easy, gave_way):
        names = ("search_steps", "max_lr")
        known = {name: gave_way[0].settled[name] for name in names}
        known["max_lr"] = known["max_lr"] | {"value": gave_way[0].picks[0]}
        with pytest.raises(LrDiverged, match="max_lr was lowered 2 times"):
            run(replace(easy, resolved=known), RememberingLine())
