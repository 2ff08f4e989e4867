"""Memory that a training on 20 GB of cached pixels takes: `python benchmarks/larger_than_memory.py`.

The cache file is sparse: it has its full size but no blocks, so it takes no disk, and every picture read from it is
black. A child process maps it as the worker does and trains a small network, so that reading is most of the work.
Reported is the peak of RssAnon in /proc/self/status, the memory that the kernel cannot take back; mapped pixels are
page cache (RssFile), which it drops as it needs. A limit on the address space would forbid the map itself; to see it
inside a limit, start it in a control group, e.g. with `systemd-run --scope -p MemoryMax=4G`, for so many steps that
what they read is more than that (a step reads 1.6 MB).
"""

import argparse
import multiprocessing
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from app.domain import catalog
from app.domain.schedules import build_schedule
from app.domain.specs import Augmentation, TrainingSpec, parse_spec
from worker.datasets import cache
from worker.engine.data import Dataset
from worker.engine.errors import Stopped
from worker.engine.events import Event, Stop
from worker.engine.training import train
from worker.engine.workload import prepare

SIDE, CLASSES, BATCH = 64, 10, 128
TARGET_BYTES = 1 << 30


class StopsAfter:
    """Drops events, and cancels after so many optimizer steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def emit(self, event: Event) -> None:
        """Nothing to do."""

    def stop_requested(self) -> Stop | None:
        """Asked once per optimizer step."""
        self._left -= 1
        return Stop.CANCEL if self._left < 0 else None


class Peak:
    """The highest of each memory figure of this process, looked at 50 times a second."""

    def __init__(self) -> None:
        self.bytes = {"RssAnon": 0, "RssFile": 0}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.look()

    def look(self) -> None:
        """Take the present figures in."""
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            name, _, rest = line.partition(":")
            if name in self.bytes:
                self.bytes[name] = max(self.bytes[name], int(rest.split()[0]) * 1024)

    def end(self) -> dict[str, int]:
        """Stop looking."""
        self._ended.set()
        self._thread.join()
        return self.bytes


def write_sparse(folder: Path, size_bytes: int) -> int:
    """A training split in the cache's format, as holes; returns its number of pictures."""
    count = size_bytes // (3 * SIDE * SIDE)
    np.lib.format.open_memmap(folder / "train-images.npy", mode="w+", dtype=np.uint8, shape=(count, 3, SIDE, SIDE))
    np.save(folder / "train-labels.npy", np.arange(count) % CLASSES)
    return count


def train_on(folder: Path, steps: int, line: Connection) -> None:
    """What the child does: open, prepare, train, and say what it took."""
    peak = Peak()
    images = cache._map(folder, "train")
    names = [str(number) for number in range(CLASSES)]
    dataset = Dataset("sparse", names, images, None, channel_mean=[0.5] * 3, channel_std=[0.25] * 3)
    architecture = {"name": "mlp", "width": 32}
    fields = {"dataset": "sparse", "architecture": architecture, "batch_size": BATCH, "epochs": 1, "precision": "fp32"}
    spec = parse_spec({"kind": "training", **fields, "compile": "off"})
    assert isinstance(spec, TrainingSpec)
    workload = prepare(
        spec,
        dataset,
        fact=catalog.architectures()["mlp"],
        default_validation=0.01,
        default_augmentation=Augmentation(crop=4, flip=True),
        device="cpu",
        weights_dir=folder,
    )
    schedule = build_schedule(spec.schedule, max_lr=0.05)
    try:
        train(workload, spec, schedule=schedule, control=StopsAfter(steps), folder=folder, resume=None)
    except Stopped:
        peak.look()
    line.send(peak.end())


def main() -> None:
    """Make the file, run the child, print its peak; exits with 1 where that is above the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        count = write_sparse(Path(name), int(asked.gigabytes * 1e9))
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.get_context("spawn").Process(target=train_on, args=(Path(name), asked.steps, theirs))
        child.start()
        theirs.close()
        peak = ours.recv()  # EOFError where the child broke off
        child.join()
    print(
        f"torch {torch.__version__}: {count} pictures of {SIDE} px ({asked.gigabytes:g} GB), {asked.steps} steps of "
        f"{BATCH}: peak RssAnon {peak['RssAnon'] / 2**20:.0f} MiB, RssFile {peak['RssFile'] / 2**20:.0f} MiB"
    )
    sys.exit(peak["RssAnon"] > TARGET_BYTES)


if __name__ == "__main__":
    main()
