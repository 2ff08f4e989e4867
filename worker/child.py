"""The training process: engine in, messages out through a pipe, files into the attempt's folder.

Importing this module only imports: it is what the forkserver loads before any training is forked from it.
"""

import os
import threading
from multiprocessing.connection import Connection

import structlog
import torch

from app.disk import is_full
from app.logs import configure_logs
from worker.engine.errors import DeviceOutOfMemory, EngineError, HostOutOfMemory, Stopped
from worker.engine.events import Event, Logged, Stop
from worker.engine.parallel import tells_of_a_lost_rank
from worker.entry import LOST_OTHERS
from worker.memory import Memory
from worker.messages import Assignment, Failed, Happened, Message, StoppedEarly
from worker.work import run

log = structlog.get_logger()

ORPHANED = 75  #: exit code when the supervisor is gone


class Line:
    """The engine's control at this end of the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._memory = Memory()
        self._stop: Stop | None = None
        threading.Thread(target=self._listen, name="listen", daemon=True).start()

    def emit(self, event: Event) -> None:
        """Say what happened."""
        self.send(Happened(event, memory_bytes=self._memory.most_bytes()))

    def stop_requested(self) -> Stop | None:
        """What the supervisor asked for, if anything."""
        return self._stop

    def send(self, message: Message) -> None:
        """Say something to the supervisor; without one there is nothing left to work for."""
        try:
            self._pipe.send(message)
        except OSError:
            os._exit(ORPHANED)

    def _listen(self) -> None:
        try:
            while True:
                self._stop = self._pipe.recv()
        except (EOFError, OSError):
            # The parent process is the forkserver, which lives on, so the pipe is the only sign.
            os._exit(ORPHANED)


def work_on(pipe: Connection, assignment: Assignment) -> None:
    """Work on one assignment and say how it ended."""
    os.setpgid(0, 0)  # so that whatever a data loader starts ends with it
    configure_logs("training")
    structlog.contextvars.bind_contextvars(job_id=assignment.job_id, fence=assignment.fence)
    line = Line(pipe)
    line.send(_ending(assignment, line))


def _ending(assignment: Assignment, line: Line) -> Message:
    try:
        return run(assignment, line)
    except Stopped as stopped:
        return StoppedEarly(stopped.reason)
    except EngineError as error:
        return _failed(error)
    except torch.OutOfMemoryError as error:
        return _out_of_memory(error)
    except MemoryError:
        return _failed(HostOutOfMemory("An allocation failed."))
    except OSError as error:
        return _storage(error, line)
    except Exception as error:  # noqa: BLE001 - the last resort: the job must end with a word
        if isinstance(error, RuntimeError) and tells_of_a_lost_rank(error):
            log.warning("another rank is gone", error=str(error).partition("\n")[0])
            os._exit(LOST_OTHERS)  # without a word: the other had a reason, this is none
        return _unforeseen(error, line)


def _out_of_memory(error: Exception) -> Failed:
    return _failed(DeviceOutOfMemory(str(error).splitlines()[0]))


def _failed(error: EngineError) -> Failed:
    return Failed(error.code, error.title, error.detail, error.hint)


def _storage(error: OSError, line: Line) -> Failed:
    if not is_full(error):
        return _unforeseen(error, line)
    hint = "Free disk space on the worker; retry the job if it has failed."
    title, detail = "The worker's disk is full", "No space is left in its data folder."
    return Failed("storage_full", title, detail, hint, retryable=True)  # until there is room no worker claims it


def _unforeseen(error: Exception, line: Line) -> Failed:
    log.error("the training met an error it did not foresee", exc_info=error)  # users get no traceback
    summary = f"{type(error).__name__}: {error}".splitlines()[0][:500]
    line.emit(Logged("error", summary))
    title = "The training met an error it did not foresee"
    return Failed("internal_error", title, summary, "See the worker's log for the traceback and report it.")
