"""The command on schedules: look at one before training with it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from supercycle.cli.options import AsJson, connect
from supercycle.cli.output import print_json, print_table
from supercycle.cli.spec import build_schedule
from supercycle.transport import Json

app = typer.Typer(help="Schedules of the learning rate.", no_args_is_help=True)

ROWS = 20


@app.command()
def preview(
    context: typer.Context,
    *,
    max_lr: Annotated[str, typer.Option(metavar="NUMBER", help="Peak of the learning rate.")],
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps to run it over.")],
    policy: Annotated[
        str | None, typer.Option(help="one_cycle, constant, step, linear or cosine. [default: one_cycle]")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="Of one_cycle: case_study, three_phase, cosine or triangle.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Any other field: schedule.up=0.3; may be repeated."),
    ] = None,
    max_points: Annotated[
        int | None, typer.Option(min=2, help=f"At most so many rows. [default: {ROWS}, as JSON 1000]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show learning rate and momentum step by step. Nothing is queued."""
    _preview(context, given=dict(locals()))


def _preview(context: typer.Context, *, given: Mapping[str, Any]) -> None:
    schedule = build_schedule(options=given, settings=given["settings"] or [])
    points = given["max_points"] or (1000 if given["as_json"] else ROWS)
    found = connect(context).preview_schedule(schedule, given["steps"], max_points=points)
    if given["as_json"]:
        print_json(found)
    else:
        print_table(("step", "learning rate", "momentum"), _rows(found))


def _rows(preview: Json) -> list[tuple[object, ...]]:
    momenta = preview["momentum"] or [None] * len(preview["step"])
    return list(zip(preview["step"], preview["learning_rate"], momenta, strict=True))
