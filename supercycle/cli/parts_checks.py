"""Whether the database, the broker and the storage that the settings name work, from this machine."""

import socket
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from supercycle.cli.findings import Finding, ok, problem, tried, warning

if TYPE_CHECKING:
    from app.config import Settings
    from app.db.session import Database

BROKER_TIMEOUT_SECONDS = 2.0
MOST_SECONDS_APART = 2.0

FolderCheck = Callable[[str, Path], Finding]


def check_database(settings: "Settings") -> list[Finding]:
    """Whether it answers, has the schema this version needs, and a clock like this machine's."""
    from sqlalchemy import make_url  # noqa: PLC0415 - comes with the server extra only
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from app.db.session import Database  # noqa: PLC0415

    url = make_url(settings.database)
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        return [ok("database", f"{shown}, made by the first `supercycle serve`")]
    database = Database(settings.database)
    try:
        return [_check_schema(database, shown), *([] if database.is_sqlite else [_check_clock(database)])]
    except (SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0]
        return [problem("database", f"{shown}: {reason}", "start it, or correct SUPERCYCLE_DATABASE_URL")]
    finally:
        database.dispose()


def _check_schema(database: "Database", shown: str) -> Finding:
    from app.db.schema import current_revision, newest_revision  # noqa: PLC0415

    current, newest = current_revision(database), newest_revision()
    detail = f"{shown} at revision {current}"
    if current is not None and current > newest:
        return problem("database", f"{detail}, newer than this version's {newest}", "upgrade supercycle here")
    if current != newest:
        return problem("database", f"{detail}, this version needs {newest}", "run: supercycle migrate")
    return ok("database", detail)


def _check_clock(database: "Database") -> Finding:
    """Leases go by the database's clock alone; times in histories and logs by each machine's own."""
    from app.db.types import now_seconds  # noqa: PLC0415

    with database.reading() as session:
        now_seconds(session)  # connected
        before, theirs, after = time.time(), now_seconds(session), time.time()
    apart = theirs - (before + after) / 2
    if abs(apart) > MOST_SECONDS_APART:
        direction = "ahead of" if apart > 0 else "behind"
        return warning("clock", f"the database is {abs(apart):.1f} s {direction} this machine", "run NTP on both")
    return ok("clock", f"{abs(apart):.1f} s from the database's")


def check_broker(settings: "Settings", check_folder: FolderCheck) -> list[Finding]:
    """Whether the broker answers, and keeps what it is given; the embedded one is a folder."""
    if not settings.broker_url:
        return [check_folder("broker", settings.data_dir.absolute() / "broker")]
    url, address = settings.broker, urlsplit(settings.broker)
    shown = f"{address.scheme}://{address.hostname}"  # without the password
    is_redis = address.scheme in ("redis", "rediss")
    ping = _ping_redis if is_redis else _connect
    answers = tried("broker", shown, lambda: ping(url), "start it, or correct SUPERCYCLE_BROKER_URL")
    return [answers, *(_check_redis(url) if is_redis and not answers.is_problem else [])]


def _check_redis(url: str) -> list[Finding]:
    """Whether it keeps what it is given."""
    import redis  # noqa: PLC0415 - comes with the server extra only

    try:
        with redis.Redis.from_url(url, socket_timeout=BROKER_TIMEOUT_SECONDS) as connection:
            said: dict[str, str] = connection.config_get("maxmemory-policy", "appendonly")
    except redis.RedisError:
        return [ok("redis", "does not tell its settings; it should have appendonly yes, maxmemory-policy noeviction")]
    wanted = {"maxmemory-policy": "noeviction", "appendonly": "yes"}
    wrong = {name: said.get(name, "unset") for name, value in wanted.items() if said.get(name) != value}
    if not wrong:
        return [ok("redis", "keeps what it is given")]
    lost = "so hints to workers can be lost, and a job then starts some seconds later"
    advice = "set " + ", ".join(f"{name} {wanted[name]}" for name in wrong)
    return [warning("redis", f"{', '.join(f'{name} is {value}' for name, value in wrong.items())}, {lost}", advice)]


def check_storage(url: str, check_folder: FolderCheck) -> Finding:
    """Whether an object can be written, read back and deleted."""
    address = urlsplit(url)
    folder = Path(unquote(address.path)) if address.scheme == "file" else None
    if folder is not None and not folder.exists():
        return check_folder("storage", folder)
    shown = str(folder) if folder else f"{address.scheme}://{address.netloc}{address.path}"
    return tried("storage", shown, lambda: _round_trip(url), "correct SUPERCYCLE_STORAGE_URL or what it leads to")


def _round_trip(url: str) -> None:
    from app.artifacts.store import ArtifactStore  # noqa: PLC0415 - comes with the server extra only

    store, key, content = ArtifactStore(url), f"doctor/{uuid.uuid4()}", uuid.uuid4().bytes
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        store.put(key, Path(file.name))
    try:
        if b"".join(store.stream(key)) != content:
            raise OSError("what was read back is not what was written")
    finally:
        store.delete([key])


def _ping_redis(url: str) -> None:
    import redis  # noqa: PLC0415 - comes with the server extra only

    patience = {"socket_connect_timeout": BROKER_TIMEOUT_SECONDS, "socket_timeout": BROKER_TIMEOUT_SECONDS}
    try:
        with redis.Redis.from_url(url, **patience) as connection:
            connection.ping()
    except redis.RedisError as error:
        raise OSError(str(error)) from error


def _connect(url: str) -> None:
    address = urlsplit(url)
    port = address.port or 5672
    socket.create_connection((address.hostname or "localhost", port), BROKER_TIMEOUT_SECONDS).close()
