"""A training on a set whose test split was made is tested on it, and it and its model record the version."""

import pytest

from app.domain.specs import Augmentation, parse_spec
from worker.datasets.source import DatasetSource
from worker.datasets.splitting import MadeSplit
from worker.keeper.check import Request, check_dataset
from worker.messages import Settled
from worker.work import run

SPEC = {
    "kind": "training", "dataset": "pets", "architecture": {"name": "mlp", "width": 16}, "epochs": 4, "batch_size": 8,
    "precision": "fp32", "schedule": {"policy": "one_cycle", "max_lr": 0.1},
}  # fmt: skip


class Line:
    def __init__(self):
        self.settled = {}

    def emit(self, event):
        pass

    def stop_requested(self):
        return None

    def send(self, message):
        if isinstance(message, Settled):
            self.settled[message.name] = message.value


@pytest.fixture
def trained(tmp_path, assignment_of, make_folder, make_picture):
    """Train on twenty dark and twenty light pictures; what came out, what was settled, and the verdict."""

    def train(**asked):
        levels = {"cat": 20, "dog": 220}
        files = {
            f"{kind}/{number}.png": make_picture(level + number, size=(8, 8), mode="L")
            for kind, level in levels.items()
            for number in range(20)
        }
        found = check_dataset(Request(str(make_folder(files)), None, 60, **asked))
        split = MadeSplit(**dict(list(found["split"].items())[1:])) if found["split"]["origin"] == "made" else None
        source = DatasetSource("registered", "pets", tmp_path / "images", found["version"], "L", 8, split)
        assignment = assignment_of(
            tmp_path,
            parse_spec(SPEC).model_dump(mode="json"),
            dataset=source,
            default_validation=0.1,
            default_augmentation=Augmentation(crop=0),
        )
        line = Line()
        return run(assignment, line), line.settled, found

    return train


class TestTraining:
    def test_is_tested_on_the_images_that_were_taken_out(self, trained):
        finished, settled, found = trained()
        assert found["counts"]["test"] == {"cat": 4, "dog": 4}
        assert finished.result["test_accuracy"] == 1.0  # nothing is easier than dark and light
        assert (
            finished.result["best"]["validation_accuracy"] == 1.0
        )  # of other images, held out of the 32 that are left
        assert settled["dataset"] == found["version"]
        assert finished.model.facts["dataset"]["version"] == found["version"]
        assert finished.model.facts["metrics"]["test_accuracy"] == 1.0

    def test_without_a_split_there_is_no_test(self, trained):
        finished, settled, found = trained(test_fraction=0.0)
        assert finished.result["test_accuracy"] is None
        assert settled["dataset"] == finished.model.facts["dataset"]["version"] == found["version"]
