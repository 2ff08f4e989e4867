"""A whole service in processes of its own: embedded, as `supercycle serve` keeps it, or on PostgreSQL and Redis."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from benchmarks.fault_harness.disk import SmallDisk
from benchmarks.fault_harness.servers import ADDRESS, PostgreSQL, Redis
from supercycle.cli.serving import free_port, parts_of, what_is_missing
from supercycle.cli.supervisor import Keeping, Part
from supercycle.config import pristine_environment

Store = Literal["sqlite", "servers"]

LEASE_SECONDS = 2.0
WORKERS = 2
PATIENCE = timedelta(seconds=120)
_ROOT = Path(__file__).parents[2]
_QUICK = {
    "SUPERCYCLE_LEASE_SECONDS": f"{LEASE_SECONDS:g}",
    "SUPERCYCLE_HEARTBEAT_SECONDS": "0.4",
    "SUPERCYCLE_SWEEP_SECONDS": "0.2",
    "SUPERCYCLE_CHECKPOINT_SECONDS": "0.2",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Cluster:
    """A running service and what can be broken of it."""

    url: str
    root: int  #: the process that all its processes descend from
    data_dir: Path
    disk: SmallDisk
    database_url: str
    database: PostgreSQL | None = None  #: None where it is a file
    broker: Redis | None = None

    @property
    def database_file(self) -> Path | None:
        """Where the database is a file."""
        return None if self.database else self.data_dir / "supercycle.db"


@contextmanager
def running(store: Store, folder: Path, *, logs: Path | None = None) -> Iterator[Cluster]:
    """A service that is ready; all of it is gone afterwards."""
    with ExitStack() as stack:
        data_dir = folder / "data"
        disk = SmallDisk(data_dir)
        stack.callback(disk.remove)
        if logs:
            logs.mkdir(parents=True)
            (data_dir / "logs").symlink_to(logs)
        cluster = stack.enter_context(_embedded(data_dir, disk) if store == "sqlite" else _on_servers(data_dir, disk))
        missing = missing_part(cluster.url)
        assert missing is None, f"the service did not get ready: {missing}"
        yield cluster


def missing_part(url: str) -> str | None:
    """What still does not answer after long patience; None as soon as the service is ready."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while (missing := what_is_missing(url)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return missing


@contextmanager
def _embedded(data_dir: Path, disk: SmallDisk) -> Iterator[Cluster]:
    port = free_port(ADDRESS, 0)
    command = ["serve", "--port", str(port), "--workers", str(WORKERS), "--data-dir", str(data_dir)]
    # Not into the data folder: what serve itself says must not depend on the disk that is filled.
    with (data_dir.parent / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "supercycle", *command],
            env=_environment(data_dir),
            cwd=_ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        database_url = f"sqlite:///{data_dir / 'supercycle.db'}"
        yield Cluster(f"http://{ADDRESS}:{port}", process.pid, data_dir, disk, database_url)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@contextmanager
def _on_servers(data_dir: Path, disk: SmallDisk) -> Iterator[Cluster]:
    with ExitStack() as stack:
        database = PostgreSQL()
        stack.callback(database.remove)
        broker = Redis()
        stack.callback(broker.remove)
        environment = _environment(data_dir, SUPERCYCLE_DATABASE_URL=database.url, SUPERCYCLE_BROKER_URL=broker.url)
        migrate = [sys.executable, "-m", "supercycle", "migrate"]
        subprocess.run(migrate, env=environment, cwd=_ROOT, check=True, stdout=subprocess.DEVNULL)
        port = free_port(ADDRESS, 0)
        devices = ["cpu"] * WORKERS
        parts = parts_of(host=ADDRESS, port=port, devices=devices, logs=data_dir / "logs", environment=environment)
        stack.enter_context(_kept_running(parts))
        url = f"http://{ADDRESS}:{port}"
        yield Cluster(url, os.getpid(), data_dir, disk, database.url, database=database, broker=broker)


def _environment(data_dir: Path, **settings: str) -> Mapping[str, str]:
    return pristine_environment() | _QUICK | {"SUPERCYCLE_DATA_DIR": str(data_dir)} | settings


@contextmanager
def _kept_running(parts: Sequence[Part]) -> Iterator[None]:
    """Start them, and start again at once what dies, as an orchestrator does."""
    over = threading.Event()
    keepings = {part.name: Keeping(part) for part in parts}
    thread = threading.Thread(target=_keep, args=(keepings, over), name="keep parts running")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for keeping in keepings.values():
            keeping.kill()


def _keep(keepings: dict[str, Keeping], over: threading.Event) -> None:
    while not over.wait(0.1):
        for name, keeping in keepings.items():
            if keeping.bury():
                keepings[name] = Keeping(keeping.part)  # a new one has no pause to wait for
            if keepings[name].is_due:
                keepings[name].start()
