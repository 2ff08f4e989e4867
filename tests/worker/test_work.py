"""What a training process says of its range test."""

from dataclasses import replace

import pytest

from worker.engine import range_test
from worker.engine.events import Warned
from worker.work import run

SPEC = {
    "kind": "range_test", "dataset": "digits", "architecture": {"name": "mlp", "width": 8}, "steps": 20,
    "precision": "fp32", "batch_size": 32,
}  # fmt: skip


class RememberingLine:
    def __init__(self):
        self.warnings = []

    def emit(self, event):
        if isinstance(event, Warned):
            self.warnings.append(event)

    def stop_requested(self):
        return None

    def send(self, message):
        pass


@pytest.fixture
def swept(tmp_path, assignment_of):
    """Run a range test of the digits; its result and the warnings on the way."""

    def work(**changes):
        line = RememberingLine()
        return run(assignment_of(tmp_path, SPEC | changes), line).result, line.warnings

    return work


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
