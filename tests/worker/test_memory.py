"""How much memory a training says it takes."""

import pytest
import torch

from worker import memory
from worker.memory import Memory


class TestMachine:
    def test_is_what_the_kernel_counts(self):
        block = torch.ones(256 << 20, dtype=torch.uint8)
        assert Memory().most_bytes() > len(block)  # torch itself comes on top

    def test_is_asked_for_once_a_second(self, monkeypatch):
        asked, now = [], [100.0]
        monkeypatch.setattr(memory, "_most_bytes", lambda: asked.append(1) or len(asked))
        monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
        meter, seen = Memory(), []
        for now[0] in (100.0, 100.9, 101.1, 102.0):
            seen.append(meter.most_bytes())
        assert seen == [1, 1, 2, 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
class TestGpu:
    def test_is_what_the_allocator_took_at_most(self):
        before = torch.cuda.max_memory_reserved()
        block = torch.ones(before + (256 << 20), dtype=torch.uint8, device="cuda")
        size = len(block)
        del block
        assert Memory().most_bytes() >= size
