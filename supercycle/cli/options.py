"""What the commands say alike: how they take a client, a job, a folder, `--json`, and how a job is to run."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from supercycle.cli.durations import read_duration
from supercycle.client import Client
from supercycle.transport import idempotency_headers

_AS_JSON = "supercycle.as_json"


def remember_json(context: typer.Context, *, value: bool) -> bool:
    """An error has to be printed as JSON, too, and by then the command's own options are gone."""
    context.meta[_AS_JSON] = value
    return value


def refuse_empty(text: str | None) -> str | None:
    """End the command where a name or an id is empty, as an unset variable of a shell is."""
    if text == "":
        raise typer.BadParameter("is empty")
    return text


def check_key(key: str | None) -> str | None:
    """End the command where an idempotency key cannot be one."""
    if key is not None:
        try:
            idempotency_headers(key)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return key


JobId = Annotated[str, typer.Argument(metavar="JOB", callback=refuse_empty, help="The job's id, job_…")]
AsJson = Annotated[
    bool, typer.Option("--json", callback=remember_json, help="Print one JSON document, also where something fails.")
]
Folder = Annotated[
    Path | None, typer.Option("--to", metavar="DIR", help="Where to. [default: a folder named after the id]")
]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]

PANEL = "How to run it"
Name = Annotated[str | None, typer.Option(help="What to call the job.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A label to find the job by; may be repeated.")]
Priority = Annotated[
    int | None, typer.Option(help="From -100 to 100; of waiting jobs, the highest runs first.", rich_help_panel=PANEL)
]
Device = Annotated[
    str | None,
    typer.Option(metavar="any|cpu|cuda", help="Run only where there is one of this kind.", rich_help_panel=PANEL),
]
Devices = Annotated[
    int | None,
    typer.Option(metavar="COUNT", help="Devices of one worker that share each batch.", rich_help_panel=PANEL),
]
MaxRuntime = Annotated[
    timedelta | None,
    typer.Option(
        parser=read_duration,
        metavar="12h|90m|SECONDS",
        help="How long it may run, waiting left out.",
        rich_help_panel=PANEL,
    ),
]
OnTimeLimit = Annotated[
    str | None,
    typer.Option(
        metavar="pause|fail", help="After that time. [default: pause, so it can be resumed]", rich_help_panel=PANEL
    ),
]
MaxAttempts = Annotated[
    int | None, typer.Option(help="Crashes in a row before the job fails. [default: 3]", rich_help_panel=PANEL)
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        callback=check_key,
        help="Run twice under the same key, the command is done once.",
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Submit and return, without following the job.")]


def connect(context: typer.Context) -> Client:
    """A client for the service named before the command; the command's end closes it."""
    client = Client(context.obj)
    context.call_on_close(client.close)
    return client


def wants_json(context: typer.Context) -> bool:
    """Whether the command was told `--json`."""
    return bool(context.meta.get(_AS_JSON))
