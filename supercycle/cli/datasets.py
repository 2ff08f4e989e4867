"""Commands on data sets."""

from pathlib import Path
from typing import Annotated

import typer

from supercycle.cli.options import AsJson, IdempotencyKey, connect, refuse_empty
from supercycle.cli.output import print_facts, print_json, print_table, say
from supercycle.transport import Json

app = typer.Typer(help="Data sets: built-in, uploaded, registered.", no_args_is_help=True)

Existing = Annotated[str, typer.Argument(metavar="DATASET", callback=refuse_empty, help="Its name or id.")]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")]


@app.command(name="list")
def list_datasets(context: typer.Context, as_json: AsJson = False) -> None:
    """List every data set."""
    datasets = connect(context).datasets()
    if as_json:
        print_json(datasets)
        return
    rows = [[one["name"], one["kind"], one["state"], len(one["classes"]), images(one), one["id"]] for one in datasets]
    print_table(("name", "kind", "state", "classes", "images", "id"), rows)


@app.command()
def show(context: typer.Context, dataset: Existing, as_json: AsJson = False) -> None:
    """Show one data set, and what is wrong with it where something is."""
    _print(connect(context).dataset(dataset), as_json=as_json)


@app.command()
def add(
    context: typer.Context,
    name: NewName,
    path: Annotated[Path, typer.Argument(exists=True, help="Class folders or IDX files (folder, zip, tar), or .npz.")],
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
) -> None:
    """Upload a data set; the service checks it before it can be used."""
    _print_new(connect(context).add_dataset(name, path, idempotency_key=idempotency_key), as_json=as_json)


@app.command()
def register(
    context: typer.Context,
    name: NewName,
    path: Annotated[str, typer.Argument(help="A folder on the server, below one of its SUPERCYCLE_DATASET_ROOTS.")],
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
) -> None:
    """Make a folder on the server known as a data set."""
    _print_new(connect(context).register_dataset(name, path, idempotency_key=idempotency_key), as_json=as_json)


@app.command()
def delete(context: typer.Context, dataset: Existing, as_json: AsJson = False) -> None:
    """Delete a data set and its uploaded images; a registered folder stays as it is."""
    client = connect(context)
    found = client.dataset(dataset)
    client.delete_dataset(found["id"])  # not by its name, which another one may have got meanwhile
    if as_json:
        print_json(found)
    else:
        say(f"{found['name']} ({found['id']}) deleted")


def images(dataset: Json) -> int:
    """How many images it has, over all splits and classes."""
    return sum(sum(classes.values()) for classes in dataset["counts"].values())


def _print_new(dataset: Json, *, as_json: bool) -> None:
    _print(dataset, as_json=as_json)
    if not as_json and dataset["state"] == "validating":
        say(f"see how the check went with: supercycle datasets show {dataset['name']}")


def _print(dataset: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(dataset)
        return
    names = ("name", "id", "kind", "state", "version", "created_at", "classes", "image")
    report = dataset.get("report") or {}
    problems = [("problem", _told(one)) for one in report.get("problems", [])]
    print_facts([*((name, dataset.get(name)) for name in names), ("images", images(dataset)), *problems])


def _told(problem: Json) -> str:
    """One problem of the report: where, what, and what to do."""
    words = f"{problem['detail']} {problem['hint']}"
    return f"{problem['path']}: {words}" if problem.get("path") else words
