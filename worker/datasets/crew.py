"""Processes that take a share of the pictures: Python decodes small ones on one core at a time, threads or not.

Each is a program of its own, not a fork: whoever asks has threads, torch's too. It has nothing of its asker but three
descriptors, gets requests as lines of JSON, answers each with one, and is gone when its asker is.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

MOST = 8
TRIAL_SECONDS = 0.25  #: of working alone, before it is judged how long the rest takes
WORTH_SECONDS = 2.0  #: of further work alone; starting helpers takes a third of a second of each core
PIECE_SECONDS = 0.1  #: of one request: many for each helper, so that all of them end together
MOST_AT_ONCE = 256
AHEAD = 4  #: requests for each helper whose answers wait for their turn
ORPHANED = 75  #: exit code when the asker is gone
#: All that an isolated process knows. The threads that numpy would start count against its memory, and none is needed.
ENVIRONMENT = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}


class HelperLost(Exception):
    """A helper ended before it had answered."""


def count() -> int:
    """How many helpers this machine has cores for."""
    return min(os.cpu_count() or 1, MOST)


@dataclass(slots=True)
class Pace:
    """How fast `total` things get done without helpers, and what follows from that."""

    total: int
    done: int = 0
    seconds: float = 0.0

    def take(self, done: int, *, since: float) -> None:
        """Note some that were begun at this moment, by time.perf_counter, and are done now."""
        self.done += done
        self.seconds += time.perf_counter() - since

    @property
    def at_once(self) -> int:
        """How many make one piece of work; the first is on its own, as it may take long."""
        return max(1, min(MOST_AT_ONCE, int(PIECE_SECONDS * self.done / self.seconds))) if self.done else 1

    def helpers_pay(self) -> bool:
        """Whether the rest is better shared, as far as can be told yet."""
        is_judged = self.done > 0 and self.seconds >= TRIAL_SECONDS
        return is_judged and count() > 1 and (self.total - self.done) * self.seconds / self.done > WORTH_SECONDS


class Helpers:
    """One for each core, running `module`, with a thread here that speaks with it. They end with the block."""

    def __init__(self, module: str) -> None:
        command = [sys.executable, "-I", "-m", module, str(count())]
        self._all = [_Helper(command) for _ in range(count())]
        self._free: queue.SimpleQueue[_Helper] = queue.SimpleQueue()
        for helper in self._all:
            self._free.put(helper)
        self._threads = ThreadPoolExecutor(len(self._all), thread_name_prefix="helper")

    def __enter__(self) -> "Helpers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for helper in self._all:
            helper.end()  # also what makes its thread end
        self._threads.shutdown(cancel_futures=True)
        for helper in self._all:
            helper.close()

    @property
    def pids(self) -> list[int]:
        """Of their processes."""
        return [helper.pid for helper in self._all]

    def ask(self, request: object) -> "Future[Any]":
        """Have one of them answer."""
        return self._threads.submit(self._ask, request)

    def ask_all(self, requests: Iterable[object]) -> Iterator[Any]:
        """Each answer, in the order of the requests; only so many of them are waiting at any time."""
        waiting: deque[Future[Any]] = deque()
        for request in requests:
            waiting.append(self.ask(request))
            if len(waiting) >= AHEAD * len(self._all):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _ask(self, request: object) -> object:
        helper = self._free.get()  # at once: there are as many as threads
        try:
            return helper.ask(request)
        finally:
            self._free.put(helper)


class _Helper:
    """One process. Used by one thread at a time, and ended by any."""

    def __init__(self, command: list[str]) -> None:
        # In the asker's process group, so that whoever kills that has killed this.
        self._process = subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        assert self._process.stdout is not None  # noqa: S101 - likewise
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._is_ended = False
        self.pid = self._process.pid

    def ask(self, request: object) -> object:
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            self._tell_end()
        return json.loads(line)

    def _tell_end(self) -> None:
        """End as it did: what broke its decoder, or had it killed, would have met this process without it."""
        exit_code = self._process.wait()
        if exit_code < 0 and not self._is_ended:
            os.kill(os.getpid(), -exit_code)
        raise HelperLost(f"A process that decodes pictures ended with exit code {exit_code}.")

    def end(self) -> None:
        self._is_ended = True
        self._process.kill()

    def close(self) -> None:
        self._process.wait()
        self._answers.close()
        with suppress(BrokenPipeError):  # of a request that it did not take any more
            self._requests.close()


def serve(answer: Callable[[Any], object]) -> None:
    """Be a helper: answer requests on standard input until it ends, and then at once."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while True:
        said = json.dumps(answer(json.loads(requests.get()))).encode() + b"\n"
        try:
            sys.stdout.buffer.write(said)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os._exit(ORPHANED)


def _listen(requests: "queue.SimpleQueue[bytes]") -> None:
    # A file of its own: sys.stdin would hold a lock that the interpreter wants at its end.
    with open(0, "rb", closefd=False) as lines:
        for line in lines:
            requests.put(line)
    os._exit(ORPHANED)
