"""The faults one by one: each breaks one thing, and says which jobs it hit and how it is mended."""

import random
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from app.db.session import BUSY_TIMEOUT_SECONDS
from benchmarks.fault_harness.cluster import LEASE_SECONDS, Cluster
from benchmarks.fault_harness.processes import WorkerProcess, parts, workers
from benchmarks.fault_harness.watcher import Watcher

SHARE_OF_TRAINING = 0.9  #: of the blows at workers; the others may come while they prepare


@dataclass(frozen=True)
class Scene:
    """Where the nemesis is at work."""

    cluster: Cluster
    watcher: Watcher
    choose: random.Random


@dataclass(frozen=True)
class Blow:
    """What was broken just now."""

    hit: dict[str, int] = field(default_factory=dict)  #: the fences of the jobs that ran there, by job
    ends_attempts: bool = False  #: whether those attempts cannot go on
    mend: Callable[[], object] = lambda: None
    mend_after: timedelta = timedelta(0)


Strike = Callable[[Scene], Blow | None]  #: None where there is nothing to break


def kill_training(scene: Scene) -> Blow | None:
    """SIGKILL to a training process."""
    worker = _busy_worker(scene)
    if worker is None or worker.training is None or not worker.training.send(signal.SIGKILL):
        return None
    return Blow(scene.watcher.held(worker.name), ends_attempts=True)


def kill_worker(scene: Scene) -> Blow | None:
    """SIGKILL to a worker; its training sees its pipe end."""
    return _signal_worker(scene, signal.SIGKILL)


def stop_worker(scene: Scene) -> Blow | None:
    """SIGTERM to a worker, as an operator does."""
    return _signal_worker(scene, signal.SIGTERM)


def freeze_worker(scene: Scene) -> Blow | None:
    """SIGSTOP to a worker and its training until its lease is long over; then they wake as if nothing had been."""
    worker = _busy_worker(scene)
    if worker is None or not worker.itself.send(signal.SIGSTOP):
        return None
    if worker.training:
        worker.training.send(signal.SIGSTOP)
    asleep = timedelta(seconds=scene.choose.uniform(1.5, 4) * LEASE_SECONDS)
    hit = scene.watcher.held(worker.name)
    return Blow(hit, ends_attempts=True, mend=lambda: _wake(worker), mend_after=asleep)


def kill_api(scene: Scene) -> Blow | None:
    """SIGKILL to the API."""
    return _kill_part(scene, "api")


def kill_keeper(scene: Scene) -> Blow | None:
    """SIGKILL to the keeper."""
    return _kill_part(scene, "keeper")


def kill_broker(scene: Scene) -> Blow | None:
    """SIGKILL to Redis."""
    broker = scene.cluster.broker
    assert broker, "the embedded broker has no process"
    broker.crash()
    return Blow(scene.watcher.held(), mend=broker.start, mend_after=_a_while(scene))


def restart_database(scene: Scene) -> Blow | None:
    """PostgreSQL stops in the middle of everything, and recovers when it is started again."""
    database = scene.cluster.database
    assert database, "a database in a file has no process"
    database.crash()
    return Blow(scene.watcher.held(), mend=database.start, mend_after=_a_while(scene))


def lock_database(scene: Scene) -> Blow | None:
    """Somebody else writes to SQLite for longer than anybody waits."""
    connection = sqlite3.connect(scene.cluster.database_file or "", timeout=1, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:  # busy, or its disk is full
        connection.close()
        return None
    # Closing takes back what was begun, also where the disk has no room for anything else.
    until_too_late = timedelta(seconds=BUSY_TIMEOUT_SECONDS + 1)
    return Blow(scene.watcher.held(), mend=connection.close, mend_after=until_too_late)


def fill_disk(scene: Scene) -> Blow | None:
    """The data folder's disk has no room for a while."""
    disk = scene.cluster.disk
    if not disk.fill():
        return None
    return Blow(scene.watcher.held(), mend=disk.make_room, mend_after=_a_while(scene))


STRIKES: dict[str, Strike] = {
    "kill training": kill_training,
    "kill worker": kill_worker,
    "stop worker": stop_worker,
    "freeze worker": freeze_worker,
    "kill api": kill_api,
    "kill keeper": kill_keeper,
    "kill broker": kill_broker,
    "restart database": restart_database,
    "lock database": lock_database,
    "fill disk": fill_disk,
}


def impossible(cluster: Cluster) -> dict[str, str]:
    """The faults that cannot be made here, and why."""
    reasons = {}
    if cluster.database_file:
        reasons["kill broker"] = "the embedded broker has no process of its own"
        reasons["restart database"] = "SQLite has no process of its own; its file is locked instead"
    else:
        reasons["lock database"] = "PostgreSQL has no file to lock; it is restarted instead"
    if cluster.disk.refusal:
        reasons["fill disk"] = f"no file system may be mounted here ({cluster.disk.refusal})"
    return reasons


def _busy_worker(scene: Scene) -> WorkerProcess | None:
    """One that has a job. Mostly one that has got on with it: else a slow machine never would, for pauses grow."""
    is_patient = scene.choose.random() < SHARE_OF_TRAINING
    has_come_far_enough = scene.watcher.is_training if is_patient else scene.watcher.held
    busy = [worker for worker in workers(scene.cluster.root) if worker.training and has_come_far_enough(worker.name)]
    return scene.choose.choice(busy) if busy else None


def _signal_worker(scene: Scene, number: signal.Signals) -> Blow | None:
    worker = _busy_worker(scene)
    if worker is None or not worker.itself.send(number):
        return None
    return Blow(scene.watcher.held(worker.name), ends_attempts=True)


def _wake(worker: WorkerProcess) -> None:
    worker.itself.send(signal.SIGCONT)
    if worker.training:
        worker.training.send(signal.SIGCONT)


def _kill_part(scene: Scene, kind: str) -> Blow | None:
    sent = [process.send(signal.SIGKILL) for process in parts(scene.cluster.root, kind)]
    return Blow(scene.watcher.held()) if any(sent) else None


def _a_while(scene: Scene) -> timedelta:
    return timedelta(seconds=scene.choose.uniform(0.5, 3))
