"""Errors as people at a command line read them: options instead of JSON pointers, commands instead of addresses."""

import inspect
from collections.abc import Callable

from supercycle.cli.addresses import with_commands
from supercycle.cli.again import clone
from supercycle.cli.output import complain
from supercycle.cli.plans import auto, compare, tune
from supercycle.cli.spec import OPTIONS, PREVIEWING, Places, flag
from supercycle.cli.submit import range_test, train
from supercycle.errors import FieldError, ProblemError, SupercycleError

# What the service says about these speaks of HTTP; here is what to type.
HINTS = {
    "cannot_retry": "If it is paused: supercycle resume JOB; for a new job like it: supercycle clone JOB",
    "job_not_paused": "See how it stands with: supercycle show JOB",
    "job_stopping": "See how it stands with: supercycle show JOB",
    "unknown_architecture": "See what there is with: supercycle architectures",
    "unknown_architecture_option": "See its options with: supercycle architectures NAME",
    "unknown_dataset": "See what there is with: supercycle datasets list",
    "unknown_job": "See what there is with: supercycle jobs",
    "unknown_delivery": "See what there is with: supercycle webhooks deliveries WEBHOOK",
    "unknown_model": "See what there is with: supercycle models list",
    "unknown_webhook": "See what there is with: supercycle webhooks list",
    "unknown_weights": "See its weights with: supercycle architectures NAME",
}
# What a job that has ended leaves to do, by what was asked of it.
HINTS_ON_ENDED = {
    "cancel": "There is nothing to cancel.",
    "pause": "There is nothing to pause.",
    "resume": "Make a new job like it with: supercycle clone JOB",
}


def _taken_by(command: Callable[..., None]) -> Places:
    """The options for fields of a spec that a command has; of the other fields there is `--set`."""
    taken = inspect.signature(command).parameters
    return {option: place for option, place in OPTIONS.items() if option in taken}


# A refusal of one of these is about a spec, whose fields have options.
SUBMITTING: dict[str, Places] = {
    **{command.__name__.replace("_", "-"): _taken_by(command) for command in (train, range_test, compare, tune, auto)},
    "clone": _taken_by(clone),
    "schedule": PREVIEWING,
}
# Fields of a new data set that are options; the others are arguments.
OF_DATASETS = ("test_fraction", "split_seed", "on_bad_file")
# Fields by which an option gives the whole object around them.
MARKERS = ("name", "policy", "patience")
# Options whose value holds more than one field.
COMPOSITE = frozenset({"architecture", "augmentation", "dataset", "fractions", "tags", "tune"})


def print_error(error: SupercycleError, *, command: str | None = None) -> None:
    """What was refused, where, and what to do."""
    complain("\n".join(_problem_lines(error, command=command)) if isinstance(error, ProblemError) else str(error))


def _problem_lines(error: ProblemError, *, command: str | None) -> list[str]:
    lines = [f"{error.title} ({error.code})", "" if _fields_say_it(error) else error.detail]
    lines += [f"  {_place(field, command=command)}: {field.detail}" for field in error.errors]
    lines += [_hint(error, command=command)]
    lines += [f"request {error.request_id}" if error.status >= 500 and error.request_id else ""]
    return [line for line in lines if line]


def _hint(error: ProblemError, *, command: str | None) -> str:
    if error.code == "job_ended":
        return HINTS_ON_ENDED.get(command or "", error.hint)
    return HINTS.get(error.code) or with_commands(error.hint)


def _fields_say_it(error: ProblemError) -> bool:
    """Whether the detail only repeats what stands at the fields."""
    return bool(error.errors) and all(one.pointer in error.detail or one.detail in error.detail for one in error.errors)


def _place(field: FieldError, *, command: str | None) -> str:
    if not field.pointer.startswith("#"):
        return f"--{field.pointer.replace('_', '-')}"  # a query parameter; each is an option of its command
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in field.pointer.split("/")[1:])
    if command in SUBMITTING and path:
        return option_for(path, SUBMITTING[command])
    if command == "datasets" and path[:1] in [(name,) for name in OF_DATASETS]:
        return flag(path[0])
    return ".".join(path) or "the request"


def option_for(path: tuple[str, ...], options: Places) -> str:
    """The one of these options that gives the field at `path` of a spec its value, or `--set`."""
    for option, (place, _) in options.items():
        if path == place or (path == place[:-1] and place[-1] in MARKERS) or _holds(option, place, path):
            return flag(option)
    return f"--set {'.'.join(path)}"


def _holds(option: str, place: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return option in COMPOSITE and path[: len(place)] == place
