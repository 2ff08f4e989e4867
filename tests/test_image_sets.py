"""The arithmetic of the benchmark of image sets: what the processes of one part take together."""

import os

import pytest

from benchmarks import image_sets

ROLLUP = """00400000-7ffe ---p 00000000 00:00 0    [rollup]
Rss:                {rss} kB
Pss:                {pss} kB
Pss_Anon:           {anonymous} kB
"""


@pytest.fixture
def processes(monkeypatch):
    """By number: a command, and kB of resident memory, of its share, and of what is anonymous in that."""
    found = {
        1: ("supercycle worker", 900_000, 400_000, 100_000),
        2: ("python -c from multiprocessing.forkserver", 900_000, 500_000, 300_000),
        3: ("python -m worker.datasets.filling 2", 100_000, 50_000, 25_000),
        4: ("python -m worker.keeper.check", 100_000, 60_000, 40_000),
        5: ("python -m worker.keeper.looking 2", 100_000, 20_000, 10_000),
    }

    def read(path):
        command, rss, pss, anonymous = found.get(int(path.parent.name), ("", 0, 0, 0))
        return command if path.name == "cmdline" else ROLLUP.format(rss=rss, pss=pss, anonymous=anonymous)

    monkeypatch.setattr(image_sets, "read", read)
    return [*found, 6]  # one that has just ended


class TestMemory:
    def test_of_a_part_is_the_sum_of_its_processes(self, processes):
        mb = 1.024e-3  # of a kB, as the kernel calls 1,024 bytes
        assert {name: pytest.approx(pair) for name, pair in image_sets.totals(processes).items()} == {
            "worker": (400_000 * mb, 900_000 * mb),  # 100,000 + 300,000 and 400,000 + 500,000
            "helpers of the worker": (25_000 * mb, 50_000 * mb),
            "check": (50_000 * mb, 80_000 * mb),  # 40,000 + 10,000 and 60,000 + 20,000
        }

    def test_is_what_the_kernel_says(self):
        anonymous, resident = image_sets.totals([os.getpid()])["worker"]
        assert 1 < anonymous <= resident
