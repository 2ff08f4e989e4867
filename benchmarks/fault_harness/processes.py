"""The processes of a service, by what they do, and what may be done to them."""

import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass

_MODULES = {"api": "-m app.main", "keeper": "-m worker.keeper", "worker": "-m worker --"}
_NAME = re.compile(r"--name (\S+)")


@dataclass(frozen=True)
class Process:
    """One line of the process table."""

    pid: int
    parent: int
    group: int
    command: str

    def send(self, number: signal.Signals) -> bool:
        """Signal it; False when it is gone already."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False


@dataclass(frozen=True)
class WorkerProcess:
    """A worker and the training process below it, if it has one."""

    name: str
    itself: Process
    training: Process | None


def parts(root: int, kind: str) -> list[Process]:
    """The processes below `root` that are an `api`, a `keeper` or a `worker`."""
    return [process for process in _below(root) if _MODULES[kind] in process.command]


def workers(root: int) -> list[WorkerProcess]:
    """The workers below `root`."""
    return [_worker(process) for process in parts(root, "worker")]


def _worker(process: Process) -> WorkerProcess:
    found = _NAME.search(process.command)
    assert found, f"a worker without a name: {process.command}"
    trainings = [child for child in _below(process.pid) if _is_training(child)]
    return WorkerProcess(found[1], process, trainings[0] if trainings else None)


def _is_training(process: Process) -> bool:
    """Trainings lead a group of their own below the forkserver, which is of the worker's group."""
    return "forkserver" in process.command and process.group == process.pid


def _below(root: int) -> list[Process]:
    """Everything that descends from a process, nearest first."""
    columns = ["ps", "-ww", "-eo", "pid=,ppid=,pgid=,args="]
    rows = [
        line.split(None, 3)
        for line in subprocess.run(columns, check=True, capture_output=True, text=True).stdout.splitlines()
    ]
    table = [Process(int(row[0]), int(row[1]), int(row[2]), row[3] if len(row) > 3 else "") for row in rows]
    found: list[Process] = []
    near = {root}
    while near:
        children = [process for process in table if process.parent in near]
        found += children
        near = {process.pid for process in children}
    return found
