"""`retry` and `clone`: a new job from an old one, followed like one that was submitted."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from supercycle.cli.options import (
    AsJson,
    Detach,
    Device,
    Devices,
    JobId,
    MaxAttempts,
    MaxRuntime,
    Name,
    OnTimeLimit,
    Priority,
    Tags,
    connect,
)
from supercycle.cli.spec import build_changes
from supercycle.cli.submit import accompany

Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any field that is to change, e.g. epochs=20; may be repeated."),
]


def retry(context: typer.Context, job_id: JobId, detach: Detach = False, as_json: AsJson = False) -> None:
    """Submit a failed or cancelled job again as it was: a new job, from the start."""
    accompany(connect(context).job(job_id).retry(), detach=detach, as_json=as_json)


def clone(
    context: typer.Context,
    job_id: JobId,
    *,
    name: Name = None,
    tags: Tags = None,
    priority: Priority = None,
    device: Device = None,
    devices: Devices = None,
    max_runtime: MaxRuntime = None,
    on_time_limit: OnTimeLimit = None,
    max_attempts: MaxAttempts = None,
    settings: Changes = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Submit a new job like this one, in whatever state it is, with changes: --set epochs=20 --max-runtime 12h."""
    _clone(context, given=dict(locals()))


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(retry)
    app.command()(clone)


def _clone(context: typer.Context, *, given: Mapping[str, Any]) -> None:
    changes = build_changes(options=given, settings=given["settings"] or [])
    job = connect(context).job(given["job_id"]).clone(**changes)
    accompany(job, detach=given["detach"], as_json=given["as_json"])
