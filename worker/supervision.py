"""The training process, seen from outside: start it, hear it, ask it to stop, and end it if it does not."""

import multiprocessing as mp
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from pathlib import Path

from worker import entry
from worker.engine.events import Stop
from worker.entry import PRELOADED
from worker.messages import Assignment, Message

TERMINATE_AFTER_SECONDS = 10
KILL_AFTER_SECONDS = 20


def start_forkserver() -> ForkServerContext:
    """Import torch once, in a process that trainings are forked from (20 ms each instead of seconds).

    What it loads beforehand only imports: a parallel torch operation before the fork would deadlock the children.
    """
    context = mp.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def count_gpus(context: ForkServerContext) -> int:
    """How many GPUs there are; the first call also waits for the forkserver to have loaded all."""
    ours, childs = context.Pipe(duplex=False)
    process = context.Process(target=entry.count_gpus, args=(childs,))
    process.start()
    childs.close()
    count = int(ours.recv())
    process.join()
    return count


class TrainingProcess:
    """One child process working on one assignment. It ends when the other end of its pipe does."""

    def __init__(self, context: ForkServerContext, assignment: Assignment) -> None:
        self._pipe, childs_end = context.Pipe()
        self._process = context.Process(target=entry.run_child, args=(childs_end, assignment), name=assignment.job_id)
        self._process.start()
        childs_end.close()  # or its end of file would never be seen
        self._open = True
        self._asked: Stop | None = None
        self._asked_at = 0.0

    def messages(self, *, timeout_seconds: float) -> Iterator[Message]:
        """What the process has said by now, waiting at most so long for a first word."""
        if not wait([self._pipe], timeout=timeout_seconds):
            return
        try:
            while self._pipe.poll():
                yield self._pipe.recv()
        except (EOFError, OSError):  # it is gone, or closing
            self._open = False

    def fileno(self) -> int:
        """For those who wait for several at once."""
        return self._pipe.fileno()

    @property
    def is_open(self) -> bool:
        """Whether it may still say something."""
        return self._open

    def ask(self, stop: Stop) -> None:
        """Ask it to stop, once for each reason; `escalate` sees to it."""
        if self._asked is not stop:
            self._asked, self._asked_at = stop, self._asked_at or time.monotonic()
            with suppress(OSError):  # it has ended meanwhile
                self._pipe.send(stop)

    def escalate(self, *, patience: float = 1.0) -> None:
        """Ever less politely, the longer ago it was asked; `patience` scales the waiting."""
        if self._asked is None or not self._process.is_alive():
            return
        waited = (time.monotonic() - self._asked_at) / patience
        if waited > KILL_AFTER_SECONDS:
            self.kill(signal.SIGKILL)
        elif waited > TERMINATE_AFTER_SECONDS:
            self.kill(signal.SIGTERM)

    def kill(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End it and whatever it started."""
        pid = self._process.pid
        if pid is None or not self._process.is_alive():
            return
        try:
            os.killpg(pid, with_signal)
        except ProcessLookupError:  # it has not made its own group yet, or has just ended
            self._process.kill()

    def join(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        self._process.join(timeout=10)
        if self._process.is_alive():
            self.kill()
            self._process.join()
        self._pipe.close()
        return self._process.exitcode or 0


def kills_for_memory() -> int:
    """How many processes this machine's kernel has killed for want of memory, in whatever group they were."""
    try:
        lines = Path("/proc/vmstat").read_text("ascii").splitlines()
    except FileNotFoundError:  # not Linux: then nobody tells
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def describe_exit(exit_code: int, *, for_memory: bool = False) -> dict[str, str]:
    """The error for a process that ended without a word; `for_memory` where the kernel killed one meanwhile."""
    if exit_code == -signal.SIGKILL and for_memory:
        code, detail = "host_out_of_memory", "The machine ran out of memory, and its kernel killed the training."
    elif exit_code >= 0:
        code, detail = "internal_error", f"The training process ended with exit code {exit_code} and no result."
    elif exit_code in (-signal.SIGKILL, -signal.SIGTERM):
        code, detail = "worker_lost", f"The training process was killed ({signal.Signals(-exit_code).name})."
    else:
        code, detail = "native_crash", f"The training process crashed ({signal.Signals(-exit_code).name})."
    return {"code": code, "title": "The training process was lost", "detail": detail, "hint": _HINTS[code]}


_HINTS = {
    "host_out_of_memory": "Lower batch_size or image_size, or give the worker's machine more memory.",
    "worker_lost": "See the worker's log for who stopped it.",
    "native_crash": "See the worker's log; try precision fp32 or another architecture.",
    "internal_error": "See the worker's log.",
}
