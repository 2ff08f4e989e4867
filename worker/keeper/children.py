"""Processes of the keeper's that touch what others have made: isolated, and gone when the keeper is."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import IO, TYPE_CHECKING

from worker.datasets.crew import ENVIRONMENT, ORPHANED

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def start(
    command: Sequence[str],
    request: "DataclassInstance",
    output: IO[bytes],
    *,
    environment: dict[str, str],
    inherited: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a child that gets the request as a line of JSON, writes to `output`, and knows this environment alone."""
    known = ENVIRONMENT | environment
    process = subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
        command, stdin=subprocess.PIPE, stdout=output, env=known, start_new_session=True, pass_fds=inherited
    )
    assert process.stdin is not None  # noqa: S101 - asked for above
    with suppress(BrokenPipeError):  # it has ended already, which its exit code tells
        process.stdin.write(json.dumps(asdict(request)).encode() + b"\n")
        process.stdin.flush()  # and stays open: its end is the end of the child
    return process


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End it and what it has started, if it has not ended."""
    if process.poll() is None:  # not waited for, so that no other group has its number by now
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        with suppress(BrokenPipeError):  # what it has never read
            process.stdin.close()


def end_with_parent() -> None:
    """In the child, on a thread: the keeper holds the other end of standard input; when it is gone, so is this."""
    while os.read(0, 1):  # unbuffered: sys.stdin would hold a lock that the interpreter wants at its end
        pass
    os._exit(ORPHANED)
