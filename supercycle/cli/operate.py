"""The operator's commands: start a whole service or one part of it, migrate, look after the machine."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.network import is_loopback_address
from app.parent import follow_stdin
from supercycle.cli.devices import ask_torch
from supercycle.cli.doctor import check_service, examine
from supercycle.cli.exit_codes import ExitCode
from supercycle.cli.findings import show
from supercycle.cli.help import OPERATE
from supercycle.cli.options import AsJson, connect
from supercycle.cli.output import complain, say
from supercycle.cli.serving import devices_for, free_port, keep_serving, parts_of, sole_use
from supercycle.config import child_environment

if TYPE_CHECKING:
    from app.config import Settings

Host = Annotated[str, typer.Option(help="Where to listen; other than loopback only with a key.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="0 is any free one.")]


def serve(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Everything the service keeps. [default: ./supercycle-data]")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Trainings at a time. [default: one per device]")] = None,
    follow_parent: Annotated[bool, typer.Option("--follow-stdin", hidden=True)] = False,
) -> None:
    """Run the whole service on this machine: api, keeper and workers, each started again if it dies."""
    if follow_parent:
        follow_stdin()
    settings = load_settings(data_dir)
    _refuse_open_door(host, settings)
    folder = settings.data_dir.absolute()
    with sole_use(folder):
        port = free_port(host, port)
        if settings.database.startswith("sqlite"):
            upgrade_schema(settings)
        parts = parts_of(
            host=host,
            port=port,
            devices=devices_for(workers),
            logs=folder / "logs",
            environment=child_environment({"SUPERCYCLE_DATA_DIR": str(folder)}),
        )
        keep_serving(parts, host=host, port=port, say=say)
    say("stopped")


def api(*, host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Run the HTTP interface alone, in the foreground."""
    _become("app.main", "--host", host, "--port", str(port))


def worker(
    *,
    devices: Annotated[
        str, typer.Option(help="cpu, cuda:0, or cuda:0,cuda:1 for jobs that share both; auto: the first GPU there is.")
    ] = "auto",
    name: Annotated[str | None, typer.Option(help="Of this worker, unlike any other's. [default: host:0]")] = None,
) -> None:
    """Run one worker, in the foreground: one training at a time."""
    _become("worker", "--devices", devices, *(["--name", name] if name else []))


def keeper() -> None:
    """Run the keeper alone, in the foreground: it finds lost jobs and checks data sets."""
    _become("worker.keeper")


def migrate() -> None:
    """Bring the database's schema up to date."""
    say(f"the database is at revision {upgrade_schema(load_settings(None))}")


def doctor(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Check this machine and its settings, and say what to do about what is wrong.

    With --url or SUPERCYCLE_URL, ask the service there for its parts, too.
    """
    findings = examine(load_settings(None), ask_torch())
    if context.obj:
        with connect(context) as client:
            findings += check_service(client)
    show(findings, as_json=as_json)
    if any(finding.is_problem for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (serve, api, worker, keeper, migrate, doctor):
        app.command(rich_help_panel=OPERATE)(command)


def load_settings(data_dir: Path | None) -> "Settings":
    """The settings, a flag before the environment before the file; ends the command where one is wrong."""
    try:
        from pydantic import ValidationError  # noqa: PLC0415 - comes with the server extra only

        from app.config import Settings  # noqa: PLC0415
    except ModuleNotFoundError as error:
        complain(f'{error.name} is not installed; a service needs: pip install "supercycle[worker]"')
        raise typer.Exit(ExitCode.FAILED) from error
    try:
        return Settings() if data_dir is None else Settings(data_dir=data_dir)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            complain(f"SUPERCYCLE_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}")
        raise typer.Exit(ExitCode.WRONG_USAGE) from error


def _refuse_open_door(host: str, settings: "Settings") -> None:
    from app.api_keys.doors import why_closed  # noqa: PLC0415 - comes with the server extra only

    if not is_loopback_address(host) and (reason := why_closed(settings)):
        raise typer.BadParameter(f"{host} can be reached from other machines: {reason}", param_hint="--host")


def _become(module: str, *arguments: str) -> NoReturn:
    """Turn this process into a part of the service, so that signals and exit codes are the part's own."""
    load_settings(None)  # a wrong setting is said here, without a traceback
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell


def upgrade_schema(settings: "Settings") -> str:
    """Run the migrations that are missing; ends the command where that fails."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - comes with the server extra only

    from app.db.migrate import upgrade  # noqa: PLC0415

    try:
        return upgrade(settings)
    except (SQLAlchemyError, OSError) as error:
        complain(f"cannot migrate the database: {error}\ncheck it with: supercycle doctor")
        raise typer.Exit(ExitCode.FAILED) from error
