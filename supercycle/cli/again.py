"""`retry` and `clone`: a new job from an old one, followed like one that was submitted."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from supercycle.cli.help import SUBMIT
from supercycle.cli.options import (
    AsJson,
    Detach,
    Device,
    Devices,
    IdempotencyKey,
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


def retry(
    context: typer.Context,
    job_id: JobId,
    *,
    idempotency_key: IdempotencyKey = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Submit a failed or cancelled job again as it was: a new job, from the start."""
    job = connect(context).job(job_id).retry(idempotency_key=idempotency_key)
    accompany(job, detach=detach, as_json=as_json)


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
    idempotency_key: IdempotencyKey = None,
    settings: Changes = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Submit a new job like this one, with changes: --set epochs=20 --max-runtime 12h.

    It does not matter how the old one stands; it stays as it is.
    """
    _clone(context, given=dict(locals()))


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel=SUBMIT)(retry)
    app.command(rich_help_panel=SUBMIT)(clone)


def _clone(context: typer.Context, *, given: Mapping[str, Any]) -> None:
    changes = build_changes(options=given, settings=given["settings"] or [])
    job = connect(context).job(given["job_id"]).clone(idempotency_key=given["idempotency_key"], **changes)
    accompany(job, detach=given["detach"], as_json=given["as_json"])
