"""What can be wrong with a machine before a service starts on it, and what to do about each."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from supercycle.cli.devices import Torch
from supercycle.client import Client
from supercycle.errors import SupercycleError

LEAST_FREE_BYTES = 2 << 30
# SQLite's locks and shared memory do not work across machines.
NETWORK_FILE_SYSTEMS = frozenset({"9p", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3"})
BROKER_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; `advice` where it is not ok."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def check_python() -> Finding:
    """The interpreter's version."""
    found = ".".join(str(number) for number in sys.version_info[:3])
    return Finding("python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")


def check_folder(name: str, folder: Path) -> Finding:
    """Whether files can be made below `folder`, which need not exist yet, and how much room there is."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding(name, ok=False, detail=f"{folder}: {error.strerror}", advice="make the folder writable")
    detail = f"{folder}, {free / (1 << 30):.1f} GiB free"
    return Finding(name, free >= LEAST_FREE_BYTES, detail, "free some disk space, 2 GiB at the least")


def check_file_system(folder: Path, *, mounts: str | None = None) -> Finding:
    """Whether SQLite may live in `folder`."""
    table = Path("/proc/mounts").read_text("utf-8") if mounts is None else mounts
    kind = _file_system(os.path.realpath(folder), table)
    advice = "SQLite needs a local disk: choose another --data-dir, or PostgreSQL by SUPERCYCLE_DATABASE_URL"
    return Finding("file system", kind not in NETWORK_FILE_SYSTEMS, kind, advice)


def check_broker(url: str, *, embedded: bool, data_dir: Path) -> Finding:
    """Whether the broker answers; the embedded one is a folder."""
    if embedded:
        return check_folder("broker", data_dir / "broker")
    address = urlsplit(url)
    shown = f"{address.scheme}://{address.hostname}"  # without the password
    ping = _ping_redis if address.scheme in ("redis", "rediss") else _connect
    return _attempt("broker", shown, lambda: ping(url), "start it, or correct SUPERCYCLE_BROKER_URL")


def check_storage(url: str) -> Finding:
    """Whether artifacts can be written, where they lie on this machine."""
    address = urlsplit(url)
    if address.scheme == "file":
        return check_folder("storage", Path(unquote(address.path)))
    return Finding("storage", ok=True, detail=f"{address.scheme}://{address.netloc}, asked by /readyz of the service")


def check_torch(torch: Torch) -> Finding:
    """Whether torch loads, and on what it can run."""
    advice = 'pip install "supercycle[worker]"'
    detail = torch.problem or f"{torch.version} on {', '.join(torch.devices)}"
    return Finding("torch", not torch.problem, detail, advice)


def check_service(client: Client) -> list[Finding]:
    """The parts of a service that should be running, as it sees them itself; the details say what to do."""
    try:
        parts = client.readiness()["parts"]
    except SupercycleError as error:
        return [Finding("service", ok=False, detail=str(error))]
    checks = [Finding(f"service {name}", ok=part["ok"], detail=part["detail"]) for name, part in parts.items()]
    return [Finding("service", ok=True, detail=f"{client.url} answers"), *checks]


def _attempt(name: str, shown: str, action: Callable[[], None], advice: str) -> Finding:
    try:
        action()
    except (OSError, ValueError) as error:
        return Finding(name, ok=False, detail=f"{shown}: {error}", advice=advice)
    return Finding(name, ok=True, detail=f"{shown} answers")


def _ping_redis(url: str) -> None:
    import redis  # noqa: PLC0415 - comes with the server extra only

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=BROKER_TIMEOUT_SECONDS) as connection:
            connection.ping()
    except redis.RedisError as error:
        raise OSError(str(error)) from error


def _connect(url: str) -> None:
    address = urlsplit(url)
    port = address.port or 5672
    socket.create_connection((address.hostname or "localhost", port), BROKER_TIMEOUT_SECONDS).close()


def _file_system(path: str, mounts: str) -> str:
    """The type of the mount that `path` lies on: the one with the longest matching folder."""
    places = [line.split()[1:3] for line in mounts.splitlines()]
    matching = [(len(folder), kind) for folder, kind in places if Path(path).is_relative_to(folder)]
    return max(matching, default=(0, "unknown"))[1]
