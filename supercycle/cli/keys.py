"""`supercycle keys`: make, list and revoke API keys, on the server and in its database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from supercycle.cli.durations import read_duration
from supercycle.cli.exit_codes import ExitCode
from supercycle.cli.operate import load_settings, upgrade_schema
from supercycle.cli.options import AsJson, refuse_empty
from supercycle.cli.output import complain, print_facts, print_json, print_table, say

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.db.tables import ApiKeyTable

LONGEST = timedelta(days=36_500)
SCOPES = ("read", "submit", "admin")
COLUMNS = ("id", "owner", "name", "scopes", "state", "expires_at", "last_used_at")

app = typer.Typer(
    help="API keys: make, list, revoke. On the server itself, with its SUPERCYCLE_DATA_DIR or SUPERCYCLE_DATABASE_URL.",
    no_args_is_help=True,
)


def _check_scopes(values: list[str]) -> list[str]:
    for value in values:
        if value not in SCOPES:
            raise typer.BadParameter(f"{value!r} is none of {', '.join(SCOPES)}")
    return values


def _check_lifetime(value: timedelta | None) -> timedelta | None:
    if value is not None and not timedelta() < value <= LONGEST:
        raise typer.BadParameter(f"must be more than 0 and at most {LONGEST.days} days; leave it out for ever")
    return value


@app.command()
def create(
    *,
    owner: Annotated[
        str, typer.Option(callback=refuse_empty, help="Whose jobs, data sets and models the key is for, e.g. alice.")
    ],
    scopes: Annotated[
        list[str],
        typer.Option("--scope", callback=_check_scopes, help="read, submit or admin (everybody's); may be repeated."),
    ] = ["read", "submit"],  # noqa: B006 - typer reads it once
    name: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    expires: Annotated[
        timedelta | None,
        typer.Option(
            parser=read_duration,
            callback=_check_lifetime,
            metavar="90d|12h|SECONDS",
            help="Good for so long. [default: for ever]",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: it is stored nowhere. From then on nobody gets in without one."""
    from app.api_keys import service  # noqa: PLC0415 - comes with the server extra only
    from app.callers import Scope  # noqa: PLC0415

    with _transaction() as session:
        made = service.create(
            session, owner=owner, scopes={Scope(scope) for scope in scopes}, name=name, lifetime=expires
        )
    if as_json:
        print_json(_described(made.row) | {"key": made.token})
        return
    print_facts([*_described(made.row).items()])
    say(f"\n{made.token}\n\nIt is not shown again. Use it as SUPERCYCLE_API_KEY, or as 'Authorization: Bearer …'.")


@app.command(name="list")
def list_keys(as_json: AsJson = False) -> None:
    """List every key there has been, oldest first, with its last use."""
    from app.api_keys import service  # noqa: PLC0415 - comes with the server extra only

    with _transaction() as session:
        keys = [_described(row) for row in service.every(session)]
    if as_json:
        print_json(keys)
    else:
        print_table(COLUMNS, [[key[column] for column in COLUMNS] for key in keys])


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY", callback=refuse_empty, help="The key's id, key_…")],
    as_json: AsJson = False,
) -> None:
    """Make a key worthless, for good; a running service knows within five seconds."""
    from app.api_keys import service  # noqa: PLC0415 - comes with the server extra only

    with _transaction() as session:
        row = service.revoke(session, key_id)
    if row is None:
        complain(f"there is no key {key_id!r}; see what there is with: supercycle keys list")
        raise typer.Exit(ExitCode.FAILED)
    if as_json:
        print_json(_described(row))
    else:
        say(f"{row.id} of {row.owner} is revoked")


@contextmanager
def _transaction() -> Iterator["Session"]:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - comes with the server extra only

    from app.db.session import Database  # noqa: PLC0415

    settings = load_settings(None)
    database = Database(settings.database)
    if database.is_sqlite:
        upgrade_schema(settings)
    try:
        with database.transaction() as session:
            yield session
    except SQLAlchemyError as error:
        complain(f"cannot use the database: {error}\ncheck it with: supercycle doctor")
        raise typer.Exit(ExitCode.FAILED) from error
    finally:
        database.dispose()


def _described(row: "ApiKeyTable") -> dict[str, Any]:
    facts = {"id": row.id, "owner": row.owner, "name": row.name, "scopes": list(row.scopes), "state": _state(row)}
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return facts | {time: _text(getattr(row, time)) for time in times}


def _state(row: "ApiKeyTable") -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= datetime.now(row.expires_at.tzinfo) else "good"


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
