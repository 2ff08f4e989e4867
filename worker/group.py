"""A training on several devices, seen from outside: one process for each, supervised as if they were one."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext

from worker.engine.events import Stop
from worker.entry import LOST_OTHERS
from worker.messages import Assignment, Ending, Failed, Message, Rank
from worker.supervision import TrainingProcess

#: For the others to end by themselves, once one has said how it ends or has lost them.
PATIENCE = timedelta(seconds=10)


@dataclass
class _Member:
    """One rank, what it said at its end, and its exit code where it said nothing."""

    process: TrainingProcess
    ending: Ending | None = None
    exit_code: int | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it died, for a reason of its own: neither with a word nor because another one was gone."""
        return self.exit_code not in (None, LOST_OTHERS)


class TrainingGroup:
    """The ranks of one training. The first speaks for all; when one is lost, the others are killed."""

    def __init__(self, context: ForkServerContext, assignment: Assignment, devices: tuple[str, ...]) -> None:
        self._members = [_Member(TrainingProcess(context, each)) for each in _assignments_of_ranks(assignment, devices)]
        self._exit_code: int | None = None
        self._is_ending_since: float | None = None
        self._is_over = False

    def messages(self, *, timeout_seconds: float) -> Iterator[Message]:
        """What the first rank has said by now; of the others only why they failed, if that one has no word of its own.

        A rank that fails alone, say for want of memory, leaves the first without a partner and without a reason.
        """
        was_open = self.is_open
        wait([member.process.fileno() for member in self._members if member.process.is_open], timeout=timeout_seconds)
        for member in self._members:
            for message in _heard(member):
                if member is self._members[0]:
                    yield message
        self._see_to_the_rest()
        if was_open and not self.is_open and (failure := self._failure_of_another()):
            yield failure

    @property
    def is_open(self) -> bool:
        """Whether one of them may still say something."""
        return any(member.process.is_open for member in self._members)

    def ask(self, stop: Stop) -> None:
        """Ask all of them to stop; when, the first decides."""
        for member in self._members:
            member.process.ask(stop)

    def escalate(self, *, patience: float = 1.0) -> None:
        """As with one process."""
        for member in self._members:
            member.process.escalate(patience=patience)

    def kill(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End all of them, and whatever they started."""
        for member in self._members:
            member.process.kill(with_signal)

    def join(self) -> int:
        """Wait for their end; the exit code of the one that was lost, if one was."""
        exit_codes = [member.process.join() for member in self._members]
        return exit_codes[0] if self._exit_code is None else self._exit_code

    def _see_to_the_rest(self) -> None:
        for member in self._members:
            if not member.process.is_open and member.ending is None and member.exit_code is None:
                member.exit_code = member.process.join()
        if self._is_over:  # what is lost from now on was killed here
            return
        lost = next((member for member in self._members if member.is_lost), None)
        if lost is not None or self._is_overdue():
            self._exit_code = lost.exit_code if lost else None
            self._is_over = True
            self.kill()

    def _is_overdue(self) -> bool:
        """Whether they had their time to end by themselves."""
        first, *others = self._members
        is_ending = first.ending is not None or any(isinstance(member.ending, Failed) for member in others)
        if not is_ending and not any(member.exit_code == LOST_OTHERS for member in self._members):
            return False
        self._is_ending_since = self._is_ending_since or time.monotonic()
        return time.monotonic() - self._is_ending_since > PATIENCE.total_seconds()

    def _failure_of_another(self) -> Failed | None:
        if self._members[0].ending is not None or self._exit_code is not None:
            return None
        return next((member.ending for member in self._members if isinstance(member.ending, Failed)), None)


def _heard(member: _Member) -> Iterator[Message]:
    if not member.process.is_open:
        return
    for message in member.process.messages(timeout_seconds=0):
        if isinstance(message, Ending):
            member.ending = message
        yield message


def _assignments_of_ranks(assignment: Assignment, devices: tuple[str, ...]) -> list[Assignment]:
    """The same work for each, on a device of its own. They meet at a file that no other attempt has."""
    meeting = assignment.places.attempt / "ranks"
    return [
        replace(assignment, device=device, rank=Rank(number, len(devices), meeting))
        for number, device in enumerate(devices)
    ]


Training = TrainingProcess | TrainingGroup


def start_training(context: ForkServerContext, assignment: Assignment, *, devices: tuple[str, ...]) -> Training:
    """One process, or one for each of several devices."""
    if len(devices) == 1:
        return TrainingProcess(context, assignment)
    return TrainingGroup(context, assignment, devices)
