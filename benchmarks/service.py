"""What the service costs and how fast it starts work: `python benchmarks/service.py`.

Import time and resident memory of the API process, and the seconds from sending POST /v1/jobs to the first optimizer
steps of a training, with everything warm: `supercycle serve` on SQLite and the embedded broker, digits cached.
The last is an upper bound: the engine reports its first steps together, five of them.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx

BODY = {
    "kind": "training",
    "dataset": "digits",
    "architecture": "mlp",
    "epochs": 1,
    "schedule": {"policy": "one_cycle", "max_lr": 0.05},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    imports = [import_seconds() for _ in range(rounds)]
    report("import app.main, a fresh process each", imports, unit="s", target="under 1.5")
    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder)) as (process, url):
        first_step_seconds(url)  # decodes the data set
        waits = [first_step_seconds(url) for _ in range(rounds)]
        report("submit to first steps, warm", waits, unit="s", target="under 1")
        print(f"resident memory of the API process after that: {api_megabytes(process.pid):.0f} MB (target: under 150)")


def report(what: str, values: list[float], *, unit: str, target: str) -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{what}: median {middle:.3f} {unit} ({low:.3f}-{high:.3f}, n={len(values)}; target: {target})")


def import_seconds() -> float:
    """What the import takes beyond starting Python."""
    code = "import time; began = time.perf_counter(); import app.main; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


@contextmanager
def running_service(data_dir: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    command = [sys.executable, "-m", "supercycle", "serve", "--port", "0", "--data-dir", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready = next(found for line in process.stdout if (found := re.search(r"ready at (\S+)", line)))
            yield process, ready[1]
        finally:
            process.terminate()


def first_step_seconds(url: str) -> float:
    sent = time.time()
    with httpx.Client(base_url=url, timeout=60) as http:
        id = http.post("/v1/jobs", json=BODY).raise_for_status().json()["id"]
        job = http.get(f"/v1/jobs/{id}", headers={"Prefer": "wait=60"}).json()
        assert job["state"] == "succeeded", job
        events = http.get(f"/v1/jobs/{id}/events").json()["items"]
    first = next(event for event in events if event["type"] == "steps")
    return datetime.fromisoformat(first["time"]).timestamp() - sent


def api_megabytes(service: int) -> float:
    table = subprocess.run(["ps", "-eo", "ppid=,rss=,args="], check=True, capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    return next(int(rss) / 1024 for parent, rss, args in rows if int(parent) == service and "app.main" in args)


if __name__ == "__main__":
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    main()
