"""What an upload of gigabytes takes of memory, at the API and at the client: `python benchmarks/uploads.py`.

A folder of files of zeros, which take no room themselves, is sent by `supercycle datasets add` to an API as `serve`
starts it, on SQLite. It is packed on the way and comes in over HTTP; the peaks of resident memory are the kernel's.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.service_figures.serving import ROOT, Service, alone
from benchmarks.service_figures.showing import say
from supercycle.config import pristine_environment

MOST_MB = 200


def main() -> None:
    asked = arguments()
    with alone() as (service, place):
        folder = make_folder(place / "pets", files=asked.files, size=round(asked.gigabytes * 1e9))
        for _ in range(asked.rounds):
            measure(service, folder, gigabytes=asked.gigabytes)


def make_folder(folder: Path, *, files: int, size: int) -> Path:
    """Two classes of files that are as large as they are said to be, and hold nothing."""
    for number in range(files):
        path = folder / ("cat" if number % 2 else "dog") / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size // files)
    return folder


def measure(service: Service, folder: Path, *, gigabytes: float) -> None:
    """One upload from beginning to end; the data set is deleted before its check gets far."""
    idle_mb = megabytes(service.api_pid, "VmRSS")
    Path(f"/proc/{service.api_pid}/clear_refs").write_text("5")  # the peak counts from here on
    began = time.monotonic()
    client_mb = add(service, folder)
    seconds = time.monotonic() - began
    service.http.delete("/v1/datasets/pets").raise_for_status()
    api_mb = megabytes(service.api_pid, "VmHWM")
    target = f"under {MOST_MB} MB"
    say("API", f"{idle_mb:.0f} MB before, {api_mb:.0f} MB at most during {gigabytes:g} GB", target=target)
    say("client", f"{client_mb:.0f} MB at most", target=target)
    say("time", f"{seconds:.1f} s, {1000 * gigabytes / seconds:.0f} MB/s", target="none")


def add(service: Service, folder: Path) -> float:
    """Send it with the command line; the most memory that took, in MB."""
    environment = pristine_environment() | {"PYTHONPATH": str(ROOT), "SUPERCYCLE_URL": str(service.http.base_url)}
    command = [sys.executable, "-m", "supercycle", "datasets", "add", "pets", str(folder), "--json"]
    most = 0.0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as client:
        while client.poll() is None:
            most = max(most, megabytes(client.pid, "VmHWM"))
            time.sleep(0.02)
    if client.returncode:
        raise RuntimeError(f"the upload ended with exit code {client.returncode}")
    return most


def megabytes(pid: int, what: str) -> float:
    """Resident memory of a process now (VmRSS) or at its peak (VmHWM); none of one that is just ending."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{what}:")), 0.0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
