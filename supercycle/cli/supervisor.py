"""Starts a few processes, starts those again that die, and stops them all so that nothing is left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

FIRST_PAUSE = timedelta(seconds=0.5)
LONGEST_PAUSE = timedelta(seconds=10)
HEALTHY_AFTER = timedelta(seconds=30)
GRACE = timedelta(seconds=10)
TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Part:
    """A process to keep running. Its output is appended to `log`.

    Its standard input is a pipe that ends when the supervisor does, however that came about: a part that
    reads it to the end and then stops cannot be left behind.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class Keeping:
    """One part, the process that runs it now, and how long to wait before the next one."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self._pause = FIRST_PAUSE
        self._started = 0.0
        self._due = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time to start it."""
        return self.process is None and time.monotonic() >= self._due

    def start(self) -> None:
        """Start the process, in a session of its own: a Ctrl-C on the terminal is the supervisor's alone."""
        self.part.log.parent.mkdir(parents=True, exist_ok=True)
        with self.part.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own modules
                self.part.argv,
                env=dict(self.part.environment),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started = time.monotonic()

    def bury(self) -> str | None:
        """Clear up after the process if it has died, and plan the next one; returns what to say about it."""
        if self.process is None or not _has_died(self.process):
            return None
        code = self._reap(self.process)
        lived = timedelta(seconds=time.monotonic() - self._started)
        died_repeatedly = self._pause > FIRST_PAUSE and lived < HEALTHY_AFTER
        if lived >= HEALTHY_AFTER:
            self._pause = FIRST_PAUSE
        wait, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        self._due = time.monotonic() + wait.total_seconds()
        advice = f"; see {self.part.log}" if died_repeatedly else ""
        return f"{self.part.name} {_how_it_ended(code)}, starting it again in {wait.total_seconds():g} s{advice}"

    def ask_to_stop(self) -> None:
        """SIGTERM to the process; what it has started is its own to stop."""
        if self.process is not None and not _has_died(self.process):
            self.process.send_signal(signal.SIGTERM)

    def has_stopped(self) -> bool:
        """Whether the process is gone; takes away what it left running."""
        if self.process is not None and _has_died(self.process):
            self._reap(self.process)
        return self.process is None

    def kill(self) -> None:
        """SIGKILL to the process and all it has started."""
        if self.process is not None:
            self._reap(self.process)

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        # Until wait() has run, the process keeps its id: the group that is killed here is surely its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if process.stdin is not None:
            process.stdin.close()
        self.process = None
        return code


class Supervisor:
    """Keeps parts running until it is told to stop."""

    def __init__(self, parts: Sequence[Part], *, say: Callable[[str], None], grace: timedelta = GRACE) -> None:
        self._keepings = [Keeping(part) for part in parts]
        self._say = say
        self._grace = grace
        self._stops = 0

    def run(self, *, each_tick: Callable[[], None]) -> None:
        """Start all parts and keep them until SIGINT, SIGTERM or SIGHUP; then stop them all.

        A second signal ends the patience with parts that are slow to stop.
        """
        with self._listening():
            try:
                while not self._stops:
                    self._tend()
                    each_tick()
                    time.sleep(TICK_SECONDS)
            finally:
                self._stop()

    def _tend(self) -> None:
        for keeping in self._keepings:
            news = keeping.bury()
            if news:
                self._say(news)
            if keeping.is_due:
                keeping.start()

    def _stop(self) -> None:
        for keeping in self._keepings:
            keeping.ask_to_stop()
        deadline = time.monotonic() + self._grace.total_seconds()
        while self._stops < 2 and time.monotonic() < deadline:
            if all([keeping.has_stopped() for keeping in self._keepings]):  # noqa: C419 - each must be asked
                return
            time.sleep(TICK_SECONDS / 2)
        for keeping in self._keepings:
            if not keeping.has_stopped():
                self._say(f"{keeping.part.name} did not stop in time and was killed")
                keeping.kill()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._heard) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # No more than this: a handler may run between any two instructions.
        self._stops += 1


def _has_died(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended, without reaping it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"
