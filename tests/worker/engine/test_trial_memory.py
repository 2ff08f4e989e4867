import json

import pytest

from worker.engine.trial_memory import TrialMemory


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trials.json"


class TestTrialMemory:
    def test_is_there_for_the_next_process(self, path):
        TrialMemory(path).note("a", {"fp32": 2.0})
        TrialMemory(path).note("a", {"bf16": 1.0})
        TrialMemory(path).note("b", {"fp32": 3.0})
        assert TrialMemory(path).recall("a") == {"fp32": 2.0, "bf16": 1.0}
        assert TrialMemory(path).recall("c") == {}
        assert list(path.parent.iterdir()) == [path]  # nothing is left aside

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"\xff\xfe", b'{"a": 1}', b'{"a": {"fp32": "fast"}}', b'{"a": {"fp32": 0.0}}',
         b'{"a": {"fp32": NaN}}', b'{"a": {"fp32": -1.0}}'],
    )  # fmt: skip
    def test_a_damaged_file_is_measured_anew(self, path, content):
        path.write_bytes(content)
        memory = TrialMemory(path)
        assert memory.recall("a") == {}
        memory.note("a", {"fp32": 2.0})
        assert TrialMemory(path).recall("a") == {"fp32": 2.0}

    def test_the_oldest_are_forgotten(self, path, monkeypatch):
        monkeypatch.setattr("worker.engine.trial_memory._MOST_ENTRIES", 2)
        memory = TrialMemory(path)
        for key in ("a", "b", "a", "c"):  # a was noted again, so b is the oldest
            memory.note(key, {"fp32": 1.0})
        assert list(json.loads(path.read_text())) == ["a", "c"]
