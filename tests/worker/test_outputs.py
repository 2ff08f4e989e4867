"""What is needed to use a trained model lies beside its weights."""

import json

import pytest
import torch
from safetensors.torch import load_file

from worker.engine import nets
from worker.engine.evaluation import Confusion
from worker.outputs import Outputs, describe_confusion
from worker.ranks import NoOutputs
from worker.work import run

CUSTOM = {
    "name": "custom",
    "layers": [
        {"type": "conv", "channels": 8, "kernel_size": 3, "stride": 2, "padding": 1, "bias": False},
        "batch_norm",
        "relu",
        {"type": "residual", "layers": ["silu", {"type": "dropout", "p": 0.1}]},
        "flatten",
        {"type": "linear", "features": "classes"},
    ],
}


class DeafLine:
    """Nobody listens, and nobody asks to stop."""

    def emit(self, event):
        pass

    def stop_requested(self):
        return None

    def send(self, message):
        pass


@pytest.fixture
def trained(tmp_path, assignment_of):
    """Train on the digits for an epoch; what was finished, and the folder of its files."""

    def work(architecture):
        spec = {
            "kind": "training", "dataset": "digits", "architecture": architecture, "epochs": 1, "precision": "fp32",
            "schedule": {"max_lr": 0.05},
        }  # fmt: skip
        return run(assignment_of(tmp_path, spec), DeafLine()), tmp_path / "attempt"

    return work


def rebuilt(folder):
    """The network as anybody makes it anew from config.json and the weights, and that config."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    name, options = config["architecture"].pop("name"), config["architecture"]
    sizes = {"channels": config["channels"], "image_size": config["image_size"]}
    network = nets.build(name, classes=len(config["classes"]), **sizes, options=options)
    network.load_state_dict(load_file(folder / "weights.safetensors"), strict=True)
    return network.eval(), config


class TestModel:
    def test_of_a_named_architecture(self, trained):
        finished, folder = trained({"name": "mlp", "width": 8})
        network, config = rebuilt(folder)
        assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
        assert finished.model.facts["architecture"] == {"name": "mlp", "width": 8}
        assert config["parameters"] == 64 * 8 + 8 + 8 * 8 + 8 + 8 * 10 + 10

    def test_of_a_custom_one(self, trained):
        finished, folder = trained(CUSTOM)
        network, config = rebuilt(folder)
        assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
        assert [layer["type"] for layer in finished.model.facts["architecture"]["layers"]] == [
            "conv", "batch_norm", "relu", "residual", "flatten", "linear",
        ]  # fmt: skip
        assert config["parameters"] == 8 * 9 + 16 + 8 * 16 * 10 + 10  # conv, norm, linear on 8×4×4
        assert finished.result["best"]["validation_accuracy"] > 0.3  # after one epoch; chance is 0.1


class TestConfusion:
    def test_says_for_each_class_how_often_it_was_recognised(self):
        confusion = Confusion("test", torch.tensor([[8, 2, 0], [0, 0, 0], [4, 0, 0]]))
        found = describe_confusion(confusion, ["cat", "dog", "fox"])
        assert found["counts"] == [[8, 2, 0], [0, 0, 0], [4, 0, 0]]
        assert (found["split"], found["classes"]) == ("test", ["cat", "dog", "fox"])
        assert found["per_class"] == [
            {"name": "cat", "images": 10, "recall": 0.8, "precision": pytest.approx(8 / 12)},
            {"name": "dog", "images": 0, "recall": None, "precision": 0.0},
            {"name": "fox", "images": 4, "recall": 0.0, "precision": None},
        ]

    def test_is_one_of_the_files_of_a_training(self, trained):
        _, folder = trained({"name": "mlp"})
        found = json.loads((folder / "confusion_matrix.json").read_text("utf-8"))
        assert found["split"] == "validation"  # the digits have no test split
        assert sum(map(sum, found["counts"])) == sum(one["images"] for one in found["per_class"]) == 359
        assert {path.suffix for path in folder.glob("confusion_matrix.*")} == {".json", ".png", ".svg"}


class TestOtherRanks:
    def test_they_write_nothing_that_the_first_writes(self):
        """Each would write the same file at the same time."""
        drawn = {name for name in vars(Outputs) if name.startswith("draw_")} | {"export"}
        assert {"draw_confusion", "draw_training"} < drawn
        assert drawn <= vars(NoOutputs).keys()
