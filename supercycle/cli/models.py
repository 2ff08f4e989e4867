"""Commands on trained models."""

from pathlib import Path
from typing import Annotated

import typer

from supercycle.cli.jobs import print_saved
from supercycle.cli.options import AsJson, Folder, Limit, connect, refuse_empty
from supercycle.cli.output import (
    cell_text,
    file_size,
    percent,
    print_aligned,
    print_facts,
    print_json,
    print_table,
    say,
)
from supercycle.cli.transfers import transfer_bars

app = typer.Typer(help="Trained models.", no_args_is_help=True)

ModelId = Annotated[str, typer.Argument(metavar="MODEL", callback=refuse_empty, help="The model's id, mdl_…")]
FACTS = (
    "id",
    "name",
    "job_id",
    "architecture",
    "parameters",
    "dataset",
    "image_size",
    "channels",
    "classes",
    "preprocessing",
    "epoch",
    "created_at",
)


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
def show(context: typer.Context, model_id: ModelId, as_json: AsJson = False) -> None:
    """Show one model: its network, what it was trained on, how good it is, its files."""
    model = connect(context).model(model_id)
    if as_json:
        print_json(model)
        return
    print_facts([(name, model.get(name)) for name in FACTS] + [("metrics", model["metrics"])])
    say("\nfiles")
    print_aligned([[f"  {file['name']}", file_size(file.get("size"))] for file in model["files"]])


@app.command()
def delete(context: typer.Context, model_id: ModelId, as_json: AsJson = False) -> None:
    """Remove a model and its files, without asking. The job it comes from stays."""
    client = connect(context)
    model = client.model(model_id)
    client.delete_model(model_id)
    if as_json:
        print_json(model)
    else:
        say(f"{model['id']} deleted")


@app.command()
def download(
    context: typer.Context,
    model_id: ModelId,
    to: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Save a model's files, each one checked. A download that was interrupted goes on where it was."""
    with transfer_bars(as_json=as_json) as progress:
        files = connect(context).download_model(model_id, to or Path(model_id), progress=progress)
    print_saved(files, as_json=as_json)
