"""Commands on what a job has done so far: events, metrics, log, artifacts."""

import json
import sys
from typing import Annotated

import typer

from supercycle.cli.help import FOLLOW
from supercycle.cli.options import AsJson, JobId, connect, remember_json
from supercycle.cli.output import cell_text, file_size, print_json, print_table, printable
from supercycle.cli.report import tidy
from supercycle.events import Event
from supercycle.transport import Json

ROWS = 20

Phase = Annotated[
    str | None, typer.Option(help="range_test, verifying or training. [default: what the job is there for]")
]
Series = Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Only this column; may be repeated.")]


def events(
    context: typer.Context,
    job_id: JobId,
    after: Annotated[int, typer.Option(min=0, metavar="SEQ", help="Only what came after this one.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", callback=remember_json, help="Print JSON lines: one event per line.")
    ] = False,
) -> None:
    """Print what has happened to a job so far. `supercycle watch` follows it."""
    history = connect(context).job(job_id).history(after)
    if as_json:
        for event in history:
            sys.stdout.write(json.dumps(event.as_dict(), ensure_ascii=False) + "\n")
        return
    rows = [[event.seq, tidy(event.time.isoformat()), event.type, _told(event)] for event in history]
    print_table(("seq", "time", "event", "what"), rows)


def metrics(
    context: typer.Context,
    job_id: JobId,
    phase: Phase = None,
    series: Series = None,
    max_points: Annotated[
        int | None, typer.Option(min=2, help=f"At most so many steps. [default: {ROWS}, as CSV or JSON 1000]")
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV: the steps, or with --series of epochs those.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print a job's curves: learning rate, momentum, losses, accuracies.

    Without --csv or --json a table of its epochs, or of steps where it has none or --series names theirs.
    """
    if as_csv and as_json:
        raise typer.BadParameter("give one of the two", param_hint="--csv and --json")
    job = connect(context).job(job_id)
    if as_csv:
        sys.stdout.write(job.metrics_csv(phase, series=series, max_points=max_points))
    elif as_json:
        print_json(job.metrics(phase, series=series, max_points=max_points))
    else:
        _print_columns(job.metrics(phase, series=series, max_points=max_points or ROWS))


def logs(context: typer.Context, job_id: JobId) -> None:
    """Print a job's log as text; it is kept for failed jobs, too."""
    sys.stdout.write(printable(connect(context).job(job_id).logs()))


def artifacts(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """List the files a job left. `supercycle download` saves them."""
    files = connect(context).job(job_id).artifacts()
    if as_json:
        print_json(files)
        return
    rows = [
        [
            one["name"],
            file_size(one["size"]),
            one["media_type"],
            tidy(f"sha256:{one['sha256']}"),
            tidy(one["created_at"]),
        ]
        for one in files
    ]
    print_table(("name", "size", "type", "digest", "created"), rows)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (events, metrics, logs, artifacts):
        app.command(rich_help_panel=FOLLOW)(command)


def _told(event: Event) -> str:
    """Its data in words; of a block of steps the last one stands for all."""
    data = event.data
    if event.type != "steps":
        return cell_text({name: tidy(value) for name, value in data.items()})
    first, count = data["first_step"], len(data["learning_rate"])
    last = {name: data[name][-1] for name in ("learning_rate", "loss")}
    return cell_text({"phase": data["phase"], "steps": f"{first}-{first + count - 1}", **last})


def _print_columns(metrics: Json) -> None:
    epochs = metrics["epochs"]
    columns = epochs if len(epochs) > 1 and epochs["epoch"] else metrics["steps"]
    print_table(list(columns), list(zip(*columns.values(), strict=True)))
