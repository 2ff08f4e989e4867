"""What a command's exit code says, in one place: the help, the reference and the commands read it here."""

from enum import IntEnum

from supercycle.errors import DigestMismatch, NotReady, ProblemError, SupercycleError


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    PAUSED = 5
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "the job failed, was cancelled or has nothing to give; the data set is invalid; "
    "or something on this machine is wrong",
    ExitCode.WRONG_USAGE: "wrong usage; nothing was asked of the service",
    ExitCode.REFUSED: "the service refused, and says why",
    ExitCode.UNREACHABLE: "the service cannot be reached, or what answers is not Supercycle",
    ExitCode.PAUSED: "the job is paused; `supercycle resume` lets it go on",
    ExitCode.INTERRUPTED: "interrupted; a job that was followed goes on",
}


def exit_code(error: SupercycleError) -> ExitCode:
    """The one that a command ends with after this error."""
    if isinstance(error, (NotReady, DigestMismatch)):
        return ExitCode.FAILED
    return ExitCode.REFUSED if isinstance(error, ProblemError) else ExitCode.UNREACHABLE
