"""Dies with its parent: a process started with a pipe as standard input ends when that pipe does."""

import os
import signal
import sys
import threading


def follow_stdin() -> None:
    """From now on, the end of standard input is a SIGTERM to this process: `serve` holds the other end."""
    threading.Thread(target=_wait, name="follow-stdin", daemon=True).start()


def _wait() -> None:
    # Not sys.stdin.read: its lock, held by a daemon thread, aborts the interpreter at shutdown.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
