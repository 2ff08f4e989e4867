"""The root command: where the service is, what each exit code means, which commands there are."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from supercycle.cli import again, architectures, datasets, jobs, keys, models, operate, submit, webhooks
from supercycle.cli.options import wants_json
from supercycle.cli.output import print_json
from supercycle.cli.refusals import print_error
from supercycle.config import DEFAULT_URL, installed_version
from supercycle.errors import NotReady, ProblemError, SupercycleError

FAILED = 1
REFUSED = 3
UNREACHABLE = 4

HELP = """Training as a service with super-convergence: range tests and one-cycle trainings.

SUPERCYCLE_URL says where the service is, SUPERCYCLE_API_KEY holds the key to it.

Exit codes:

- 0: done
- 1: the job failed or was cancelled, or something on this machine is wrong
- 2: wrong usage
- 3: the service refused
- 4: the service cannot be reached
- 5: the job is paused; `supercycle resume` lets it go on
- 130: interrupted; a job that was followed goes on
"""


class Commands(TyperGroup):
    """Turns the errors of the client into messages and exit codes, in one place."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer brings its own copy of click's types
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SupercycleError as error:
            print_error(error, command=ctx.invoked_subcommand)
            if wants_json(ctx):
                print_json({"error": error.as_dict()})
            raise typer.Exit(_exit_code(error)) from error


def _exit_code(error: SupercycleError) -> int:
    if isinstance(error, NotReady):
        return FAILED
    return REFUSED if isinstance(error, ProblemError) else UNREACHABLE


def _print_version(*, value: bool) -> None:
    if value:
        typer.echo(installed_version())
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    help=HELP,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(envvar="SUPERCYCLE_URL", help=f"Where the service is. [default: {DEFAULT_URL}]")
    ] = None,
    show_version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Keep what is said before the command for the command."""
    context.obj = url


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version())


submit.register(app)
jobs.register(app)
again.register(app)
architectures.register(app)
app.add_typer(datasets.app, name="datasets")
app.add_typer(models.app, name="models")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(keys.app, name="keys", rich_help_panel="Operating a service")
operate.register(app)
