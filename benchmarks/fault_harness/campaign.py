"""One run: a service, its clients, the nemesis, and what is read back when all is quiet again."""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.fault_harness.blows import Scene
from benchmarks.fault_harness.clients import Client, Orders
from benchmarks.fault_harness.cluster import PATIENCE, Cluster, Store, missing_part, running
from benchmarks.fault_harness.nemesis import Nemesis, Plan
from benchmarks.fault_harness.reading import read_back
from benchmarks.fault_harness.recording import Recording
from benchmarks.fault_harness.watcher import Watcher

CLIENTS = 3  #: one more than there are workers: a job that is lost sometimes finds one idle, sometimes none


def run(store: Store, plan: Plan, *, logs: Path | None, say: Callable[[str], None]) -> Recording:
    """Make the faults and record what came of them. The logs lie in the data folder, or in `logs`."""
    recording = Recording()
    with (
        tempfile.TemporaryDirectory(prefix="supercycle-faults-") as folder,
        running(store, Path(folder), logs=logs) as cluster,
    ):
        with Watcher(cluster.database_url) as watcher:
            nemesis = Nemesis(Scene(cluster, watcher, random.Random(plan.seed)), plan, say=say)  # noqa: S311
            began = time.monotonic()
            _break_it(cluster, nemesis, recording, seed=plan.seed)
            recording.seconds = time.monotonic() - began
            time.sleep(1)  # for the watcher to see the ends, and for workers to clean up after them
            recording.samples = watcher.samples
        recording.faults, recording.skipped = nemesis.faults, nemesis.skipped
        read_back(cluster, recording)
    return recording


def _break_it(cluster: Cluster, nemesis: Nemesis, recording: Recording, *, seed: int) -> None:
    """Until the faults are made and the last job has ended, or patience with it."""
    orders = Orders(cluster.url, recording)
    orders.submitting.set()
    clients = [Client(orders, 1000 * seed + number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        nemesis.rage()
    finally:
        orders.submitting.clear()
        orders.deadline = time.monotonic() + PATIENCE.total_seconds()
        for client in clients:
            client.join()
    recording.missing = missing_part(cluster.url)
