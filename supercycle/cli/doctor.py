"""What can be wrong with a machine before a service starts on it, and what to do about each."""

import os
import re
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from supercycle.cli.devices import Torch, driver_version, has_nvidia_device
from supercycle.cli.findings import Finding, ok, problem, warning
from supercycle.cli.parts_checks import check_broker, check_database, check_storage
from supercycle.cli.settings_checks import check_settings
from supercycle.client import Client
from supercycle.config import installed_version
from supercycle.errors import SupercycleError

if TYPE_CHECKING:
    from app.config import Settings

LEAST_FREE_BYTES = 2 << 30
# SQLite's locks and shared memory do not work across machines.
NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
    | {"glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
)
_SHOWN_PACKAGES = ("celery", "fastapi", "sqlalchemy")


def examine(settings: "Settings", torch: Torch) -> list[Finding]:
    """Every check of this machine under these settings."""
    folder = settings.data_dir.absolute()
    return [
        check_versions(),
        *check_settings(settings),
        check_folder("data folder", folder),
        *check_database_file(settings.database),
        *check_database(settings),
        *check_broker(settings, check_folder),
        check_storage(settings.storage, check_folder),
        check_torch(torch),
    ]


def check_versions() -> Finding:
    """What is installed, for reports of errors."""
    python = ".".join(str(number) for number in sys.version_info[:3])
    try:
        others = ", ".join(f"{name} {version(name)}" for name in _SHOWN_PACKAGES)
    except PackageNotFoundError as error:
        return problem("versions", f"{error.name} is not installed", 'pip install "supercycle[worker]"')
    return ok("versions", f"supercycle {installed_version()}, Python {python}, {others}")


def check_folder(name: str, folder: Path) -> Finding:
    """Whether files can be made below `folder`, which need not exist yet, and how much room there is."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        return problem(name, f"{folder}: {error.strerror}", "make the folder writable")
    detail = f"{folder}, {free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return problem(name, detail, "free some disk space, 2 GiB at the least")
    return ok(name, detail)


def check_database_file(url: str, *, mounts: str | None = None) -> list[Finding]:
    """Whether SQLite may live where its file is to be; nothing for a database server."""
    if not url.startswith("sqlite:///"):
        return []
    table = Path("/proc/mounts").read_text("utf-8") if mounts is None else mounts
    kind = _file_system(os.path.realpath(url.removeprefix("sqlite:///")), table)
    if kind not in NETWORK_FILE_SYSTEMS:
        return [ok("file system", kind)]
    detail = f"{kind}, where SQLite's locks do not hold, so that the database would be damaged"
    return [problem("file system", detail, "put SUPERCYCLE_DATA_DIR on a local disk, or use PostgreSQL")]


def check_torch(torch: Torch) -> Finding:
    """Whether torch loads, and on what it can run."""
    if torch.problem:
        return problem("torch", torch.problem, 'pip install "supercycle[worker]"')
    driver = driver_version()
    detail = f"{torch.version} on {', '.join(torch.devices)}" + (f", NVIDIA driver {driver}" if driver else "")
    if has_nvidia_device() and torch.devices == ["cpu"]:
        advice = "install a torch built for CUDA and a driver new enough for it; nvidia-smi shows the driver's CUDA"
        return warning("torch", f"{detail}, though there is an NVIDIA device", advice)
    return ok("torch", detail)


def check_service(client: Client) -> list[Finding]:
    """The parts of a service that should be running, as it sees them itself; the details say what to do."""
    try:
        answer = client.readiness()
    except SupercycleError as error:
        return [problem("service", str(error), "start it, or correct SUPERCYCLE_URL")]
    # The sentences of the service say what to do themselves.
    checks = [
        ok(f"service {name}", part["detail"]) if part["ok"] else problem(f"service {name}", part["detail"], "")
        for name, part in answer["parts"].items()
    ]
    return [_check_service_version(client.url, str(answer.get("version", "unknown"))), *checks]


def _check_service_version(url: str, theirs: str) -> Finding:
    ours = installed_version()
    detail = f"{url} answers, version {theirs}"
    if theirs != ours:
        return warning("service", f"{detail}, {ours} here", "install one version for the service and its workers")
    return ok("service", detail)


def _file_system(path: str, mounts: str) -> str:
    """The type of the mount that `path` lies on: the one with the longest matching folder."""
    places = [line.split()[1:3] for line in mounts.splitlines()]
    matching = [(len(folder), kind) for folder, kind in places if Path(path).is_relative_to(_unescaped(folder))]
    return max(matching, default=(0, "unknown"))[1]


def _unescaped(folder: str) -> str:
    r"""A folder as the kernel lists it: a space is written \040."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), folder)
