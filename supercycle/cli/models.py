"""Commands on trained models."""

from pathlib import Path
from typing import Annotated

import typer

from supercycle.cli.jobs import print_saved
from supercycle.cli.options import AsJson, Folder, Limit, connect, refuse_empty
from supercycle.cli.output import cell_text, percent, print_json, print_table
from supercycle.cli.transfers import transfer_bars

app = typer.Typer(help="Trained models.", no_args_is_help=True)


@app.command(name="list")
def list_models(context: typer.Context, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List models, newest first."""
    models = list(connect(context).models(limit=limit))
    if as_json:
        print_json(models)
        return
    rows = [
        [
            model["id"],
            cell_text({field: value for field, value in model["architecture"].items() if field != "layers"}),
            model["dataset"]["name"],
            percent(model["metrics"].get("validation_accuracy")),
            model["job_id"],
            model["created_at"],
        ]
        for model in models
    ]
    print_table(("id", "architecture", "dataset", "validation accuracy", "job", "created"), rows)


@app.command()
def download(
    context: typer.Context,
    model_id: Annotated[str, typer.Argument(metavar="MODEL", callback=refuse_empty, help="The model's id, mdl_…")],
    to: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Save a model's files, each one checked."""
    with transfer_bars(as_json=as_json) as progress:
        files = connect(context).download_model(model_id, to or Path(model_id), progress=progress)
    print_saved(files, as_json=as_json)
