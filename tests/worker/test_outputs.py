"""What is needed to use a trained model lies beside its weights."""

import json

import pytest
import torch
from safetensors.torch import load_file

from worker.engine import nets
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
