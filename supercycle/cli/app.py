"""The root command: where the service is, what each exit code means, which commands there are."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from supercycle.cli import (
    again,
    architectures,
    datasets,
    history,
    jobs,
    keys,
    models,
    operate,
    plans,
    schedules,
    submit,
    webhooks,
)
from supercycle.cli.exit_codes import MEANINGS, ExitCode, exit_code
from supercycle.cli.help import DATA, OPERATE, polish
from supercycle.cli.options import wants_json
from supercycle.cli.output import complain, print_json
from supercycle.cli.refusals import print_error
from supercycle.config import DEFAULT_URL, installed_version
from supercycle.errors import SupercycleError

HELP = """Training as a service with super-convergence: range tests and one-cycle trainings.

SUPERCYCLE_URL says where the service is, SUPERCYCLE_API_KEY holds the key to it.

Exit codes:

""" + "\n".join(f"- {code.value}: {meaning}" for code, meaning in MEANINGS.items())


class Commands(TyperGroup):
    """Turns the errors of the client and of this machine into messages and exit codes, in one place."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401 - typer brings its own copy of click
        super().__init__(*arguments, **settings)
        polish(self)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SupercycleError as error:
            print_error(error, command=ctx.invoked_subcommand)
            if wants_json(ctx):
                print_json({"error": error.as_dict()})
            raise typer.Exit(exit_code(error)) from error
        except BrokenPipeError:
            raise  # who read the output has gone; typer ends quietly
        except OSError as error:
            complain(str(error))
            if wants_json(ctx):
                print_json({"error": {"code": "os_error", "detail": str(error)}})
            raise typer.Exit(ExitCode.FAILED) from error


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


submit.register(app)
plans.register(app)
again.register(app)
jobs.register(app)
history.register(app)
app.add_typer(datasets.app, name="datasets", rich_help_panel=DATA)
app.add_typer(models.app, name="models", rich_help_panel=DATA)
architectures.register(app)
app.add_typer(schedules.app, name="schedule", rich_help_panel=DATA)
app.add_typer(webhooks.app, name="webhooks", rich_help_panel=DATA)
operate.register(app)
app.add_typer(keys.app, name="keys", rich_help_panel=OPERATE)


@app.command(rich_help_panel=OPERATE)
def version() -> None:
    """Print the version."""
    typer.echo(installed_version())
