"""What the commands say alike: how they take a client, a job, a folder, `--json`."""

from pathlib import Path
from typing import Annotated

import typer

from supercycle.client import Client

_AS_JSON = "supercycle.as_json"


def _remember(context: typer.Context, *, value: bool) -> bool:
    """An error has to be printed as JSON, too, and by then the command's own options are gone."""
    context.meta[_AS_JSON] = value
    return value


def refuse_empty(text: str | None) -> str | None:
    """End the command where a name or an id is empty, as an unset variable of a shell is."""
    if text == "":
        raise typer.BadParameter("is empty")
    return text


JobId = Annotated[str, typer.Argument(metavar="JOB", callback=refuse_empty, help="The job's id, job_…")]
AsJson = Annotated[
    bool, typer.Option("--json", callback=_remember, help="Print one JSON document, also where something fails.")
]
Folder = Annotated[Path | None, typer.Option("--to", metavar="DIR", help="Where to; a folder named after the id.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]


def connect(context: typer.Context) -> Client:
    """A client for the service named before the command."""
    return Client(context.obj)


def wants_json(context: typer.Context) -> bool:
    """Whether the command was told `--json`."""
    return bool(context.meta.get(_AS_JSON))
