"""What a training process says of its range test, and of what it settled for a training."""

import json
from dataclasses import replace

import pytest

from worker.engine import range_test
from worker.engine.events import Warned
from worker.messages import FileMade, Settled
from worker.work import run

SPEC = {
    "kind": "range_test", "dataset": "digits", "architecture": {"name": "mlp", "width": 8}, "steps": 20,
    "precision": "fp32", "batch_size": 32,
}  # fmt: skip

TRAINING = {
    "kind": "training", "dataset": "digits", "architecture": {"name": "mlp", "width": 8}, "epochs": 2,
    "precision": "fp32", "schedule": {"max_lr": 0.05},
}  # fmt: skip


class RememberingLine:
    def __init__(self):
        self.warnings = []
        self.settled = {}
        self.files = set()

    def emit(self, event):
        if isinstance(event, Warned):
            self.warnings.append(event)

    def stop_requested(self):
        return None

    def send(self, message):
        if isinstance(message, Settled):
            self.settled[message.name] = (message.value, message.origin, message.reason)
        elif isinstance(message, FileMade):
            self.files.add(message.name)


@pytest.fixture
def swept(tmp_path, assignment_of):
    """Run a range test of the digits; its result and the warnings on the way."""

    def work(**changes):
        line = RememberingLine()
        return run(assignment_of(tmp_path, SPEC | changes), line).result, line.warnings

    return work


@pytest.fixture
def trained(tmp_path, assignment_of):
    """Train on the digits; the result, what was heard on the way, and what config.json says was settled."""

    def work(**changes):
        line = RememberingLine()
        result = run(assignment_of(tmp_path, TRAINING | changes), line).result
        return result, line, json.loads((tmp_path / "attempt" / "config.json").read_text("utf-8"))["resolved"]

    return work


class TestBatchSize:
    def test_is_settled_with_the_noise_scale_and_drawn(self, trained):
        _, line, config = trained(batch_size="auto")
        assert config["batch_size"] == line.settled["batch_size"][0]
        assert config["noise_scale"] == line.settled["noise_scale"][0] > 0
        assert {"noise_scale.png", "noise_scale.svg"} <= line.files

    def test_of_the_user_is_not_measured(self, trained):
        _, line, _ = trained()
        assert "noise_scale" not in line.settled
        assert "noise_scale.png" not in line.files


class TestBatchNormMomentum:
    def test_is_settled_with_its_reason(self, trained):
        result, line, config = trained(batch_norm_momentum="auto", architecture={"name": "resnet9", "width": 2})
        found = result["batch_norm"]
        assert found["rule"] == 0.4  # 550 / 22, clipped
        assert [one["momentum"] for one in found["momenta"]] == [0.1, 0.2, 0.4, 0.8, 1.0]
        value, origin, reason = line.settled["batch_norm_momentum"]
        assert (value, origin) == (found["momentum"], "validation")
        assert reason.startswith("Of these gaps")
        assert config["batch_norm_momentum"] == found["momentum"]
        assert {"batch_norm.png", "batch_norm.svg"} <= line.files
        picked = next(one for one in found["momenta"] if one["momentum"] == value)
        assert result["best"]["validation_loss"] == picked["validation_loss"]

    def test_of_a_network_without_any_is_none(self, trained):
        result, line, config = trained(batch_norm_momentum="auto")
        assert "batch_norm" not in result
        assert line.settled["batch_norm_momentum"] == (None, "architecture", "the network has no batch norm")
        assert config["batch_norm_momentum"] is None
        assert [warning.code for warning in line.warnings] == ["no_batch_norm"]

    def test_is_the_users(self, trained):
        _, line, _ = trained(batch_norm_momentum=0.3, architecture={"name": "resnet9", "width": 2})
        assert line.settled["batch_norm_momentum"] == (0.3, "spec", "as the spec says")

    def test_left_out_there_is_nothing_to_say(self, trained):
        _, line, config = trained()
        assert "batch_norm_momentum" not in line.settled.keys() | config.keys()


class TestWarnings:
    def test_each_has_its_own_sentence(self, swept):
        result, warnings = swept(start_lr=1e-9, end_lr=1e-8)  # far too small to learn anything
        assert [warning.code for warning in warnings] == result["warnings"]
        assert result["warnings"] == ["no_descent", "no_divergence", "low_confidence"]
        assert len({warning.detail for warning in warnings}) == 3
        assert all(warning.detail != result["reason"] for warning in warnings)
        assert result["max_lr"] == 1e-8  # the careful default is 0.01, which was not swept

    def test_a_range_that_grew_is_told_once(self, swept, monkeypatch):
        whole = range_test.sweep
        grown = lambda *arguments: [replace(one, extended=True) for one in whole(*arguments)]  # noqa: E731
        monkeypatch.setattr("worker.search.sweep", grown)
        result, warnings = swept(start_lr=1e-9, end_lr=1e-8)
        assert [warning.code for warning in warnings].count("range_extended") == 1
        assert "range_extended" in result["warnings"]
        assert "end_lr" not in result["reason"]


class TestHeldOut:
    def test_pick_is_read_off_it(self, swept):
        result, _ = swept(steps=40, held_out=2)
        assert result["read_from"] == "held_out"
        assert result["reason"].startswith("Read off the loss on held-out images.")
        assert swept(steps=40)[0]["read_from"] == "training"
