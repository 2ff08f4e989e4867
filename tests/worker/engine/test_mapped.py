"""A process that goes through a large map keeps little of it, and reads the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from worker.datasets.cache import channel_statistics
from worker.engine import mapped
from worker.engine.batches import Source
from worker.engine.data import Images
from worker.engine.mapped import Mapped

SIZE, MOST = 64 << 20, 4 << 20


def resident_bytes():
    """Of files, as the kernel counts it for this process."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssFile:"))


@pytest.fixture(autouse=True)
def small_limit(monkeypatch):
    monkeypatch.setattr(mapped, "MOST_MAPPED_BYTES", MOST)


@pytest.fixture
def pixels(tmp_path):
    """(N, 3, 32, 32), of which the first byte of each picture says which it is."""
    path, count = tmp_path / "pixels.npy", SIZE // (3 * 32 * 32)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, 3, 32, 32))
    array[:, 0, 0, 0] = np.arange(count) % 251
    array.flush()
    del array
    return np.load(path, mmap_mode="r")


class TestResident:
    def test_stays_small_while_batches_are_read(self, pixels):
        source = Source(Images(pixels, np.zeros(len(pixels), dtype=np.int64)), torch.device("cpu"))
        before, most = resident_bytes(), 0
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
        for index in order.split(128):
            chosen, _ = source.select(index)
            assert chosen[:, 0, 0, 0].tolist() == (index % 251).tolist()
            most = max(most, resident_bytes() - before)
        assert most < SIZE // 3

    def test_stays_small_while_levels_are_counted(self, pixels, monkeypatch):
        before = resident_bytes()
        monkeypatch.setattr("worker.datasets.cache._COUNTED_BYTES", MOST // 4)
        mean, deviation = channel_statistics(pixels)
        assert resident_bytes() - before < SIZE // 4
        exact = np.asarray(pixels[:, 0], dtype=np.float64) / 255
        assert mean == pytest.approx([exact.mean(), 0, 0])
        assert deviation[0] == pytest.approx(max(exact.std(), 1 / 255))

    def test_what_was_written_is_kept(self, tmp_path):
        path = tmp_path / "pixels.npy"
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(1 << 20, 8))
        watch = Mapped(array)
        for start in range(0, len(array), 1 << 16):
            array[start : start + (1 << 16)] = start >> 16
            watch.used(1, 8 << 16)
        array.flush()
        written = np.load(path)
        assert (written == (np.arange(1 << 20) >> 16)[:, None]).all()


def test_arrays_in_memory_are_left_alone():
    array = np.ones(2 * MOST, dtype=np.uint8)
    Mapped(array).used(2, MOST)
    assert array.all()
