"""Commands on data sets."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from supercycle.cli.dataset_report import images, print_dataset
from supercycle.cli.exit_codes import ExitCode
from supercycle.cli.options import AsJson, Detach, IdempotencyKey, connect, refuse_empty
from supercycle.cli.output import console, file_size, print_json, print_table, printable, say
from supercycle.cli.submit import accompany
from supercycle.cli.transfers import upload_progress
from supercycle.transport import Json
from supercycle.uploads import Upload, upload_of

app = typer.Typer(help="Data sets: built-in, uploaded, registered.", no_args_is_help=True)

Existing = Annotated[str, typer.Argument(metavar="DATASET", callback=refuse_empty, help="Its name or id.")]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")]
TestFraction = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Of each class, to test with, where there is no test split; 0 for none. [default: 0.2]",
    ),
]
SplitSeed = Annotated[int | None, typer.Option(help="Which images that takes. [default: 0]")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the end of its check; exit code 1 if it is invalid.")]
PreviewFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", dir_okay=False, help="Save a picture of its classes there, a PNG."),
]
OnBadFile = Annotated[
    str | None,
    typer.Option(
        metavar="reject|skip",
        help="Pictures that cannot be read: refuse the set, or leave out up to 1 %. [default: reject]",
    ),
]


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
def show(context: typer.Context, dataset: Existing, preview: PreviewFile = None, as_json: AsJson = False) -> None:
    """Show one data set and the report of its check: problems, warnings, figures."""
    client = connect(context)
    found = client.dataset(dataset)
    saved = client.dataset_preview(found["id"], preview) if preview else None
    if as_json:
        print_json(found)
        return
    print_dataset(found)
    if saved:
        say(f"\nits picture is in {saved}")
    elif found.get("preview"):
        say(f"\nsave a picture of its classes with: {_show(found['name'], '--preview', found['name'] + '.png')}")


@app.command()
def add(
    context: typer.Context,
    name: NewName,
    path: Annotated[Path, typer.Argument(exists=True, help="Class folders or IDX files (folder, zip, tar), or .npz.")],
    test_fraction: TestFraction = None,
    split_seed: SplitSeed = None,
    on_bad_file: OnBadFile = None,
    wait: Wait = False,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
) -> None:
    """Upload a data set; the service checks it before it can be used. A folder is packed while it is sent.

    Hidden files and links to folders are left out; links to files are sent as what they lead to.
    """
    client, upload = connect(context), upload_of(path)
    if not as_json and path.is_dir():
        console(stderr=True).print(printable(_packing(upload)))
    with upload_progress(as_json=as_json) as progress:
        added = client.add_dataset(
            name,
            upload,
            test_fraction=test_fraction,
            split_seed=split_seed,
            on_bad_file=on_bad_file,
            idempotency_key=idempotency_key,
            progress=progress,
        )
    _print_new(client.wait_for_dataset(added["id"]) if wait else added, as_json=as_json)


@app.command()
def register(
    context: typer.Context,
    name: NewName,
    path: Annotated[str, typer.Argument(help="A folder on the server, below one of its SUPERCYCLE_DATASET_ROOTS.")],
    test_fraction: TestFraction = None,
    split_seed: SplitSeed = None,
    on_bad_file: OnBadFile = None,
    wait: Wait = False,
    idempotency_key: IdempotencyKey = None,
    as_json: AsJson = False,
) -> None:
    """Make a folder on the server known as a data set."""
    client = connect(context)
    added = client.register_dataset(
        name,
        path,
        test_fraction=test_fraction,
        split_seed=split_seed,
        on_bad_file=on_bad_file,
        idempotency_key=idempotency_key,
    )
    _print_new(client.wait_for_dataset(added["id"]) if wait else added, as_json=as_json)


@app.command(name="import")
def import_dataset(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="One of torchvision's classification sets, e.g. EuroSAT.")
    ],
    idempotency_key: IdempotencyKey = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Have the service fetch a published data set once, for everybody, and follow that."""
    job = connect(context).import_dataset(name, idempotency_key=idempotency_key)
    accompany(job, detach=detach, as_json=as_json)


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


def _show(*arguments: str) -> str:
    return shlex.join(("supercycle", "datasets", "show", *arguments))


def _packing(upload: Upload) -> str:
    """What of a folder is sent, and what is not."""
    left_out = ", ".join(f"{count:,} {what}" for what, count in sorted(upload.left_out.items()))
    files = "1 file" if upload.files == 1 else f"{upload.files:,} files"
    words = f"packing {files} into {upload.name}, {file_size(upload.size)}"
    return f"{words}; left out: {left_out}" if left_out else words


def _print_new(dataset: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(dataset)
    else:
        print_dataset(dataset)
    if dataset["state"] == "invalid":
        raise typer.Exit(ExitCode.FAILED)
    if dataset["state"] == "validating" and not as_json:
        say(f"see how the check went with: {_show(dataset['name'])}")
