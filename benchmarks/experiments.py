"""Is it super-convergence? Comparisons on real data through a service: `python benchmarks/experiments.py`.

Each task is one `comparison` as a user would submit it, on SQLite with one worker on this machine: its report is saved
below `--to`, and its verdict printed. `--tasks` picks some; what needs data that is not there is skipped by name.
"""

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.service_figures.serving import ROOT, Service, alone, wait_until
from benchmarks.service_figures.showing import say

DATA = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "benchmarks" / "results" / "experiments"
PLAIN = {"precision": "fp32", "compile": "off"}
GOAL = "within 3 points in a quarter of the epochs"
PATIENCE_SECONDS = 3 * 3600.0

Job = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A comparison, and what it needs."""

    body: Job
    put: Callable[[Service, Path], None] | None = None
    needs: Path | None = None


def main() -> None:
    asked = arguments()
    print(f"Python {platform.python_version()}, torch {version('torch')}, {platform.processor() or platform.machine()}")
    with alone() as (service, place), service.workers(asked.workers):
        for name in asked.tasks:
            task = TASKS[name]
            if task.needs is not None and not task.needs.exists():
                print(f"{name}: {task.needs} is not there; skipped")
                continue
            if task.put is not None:
                task.put(service, place)
            compare(service, name, task, asked.to)


def compare(service: Service, name: str, task: Task, folder: Path) -> None:
    """Submit it, wait, save its report, and print what it found."""
    id = service.submit(task.body | PLAIN | {"kind": "comparison", "name": name})
    wait_until(lambda: service._has_ended(id), what=f"for {name}", patience_seconds=PATIENCE_SECONDS)
    job = service.job(id)
    if job["state"] != "succeeded":
        raise RuntimeError(f"{name} is {job['state']}: {job['error']}")
    for file in ("report.json", "report.csv", "comparison.png", "verdict.png"):
        target = folder / name / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(service.http.get(f"/v1/jobs/{id}/artifacts/{file}").raise_for_status().content)
    (folder / name / "spec.json").write_text(json.dumps(job["spec"], indent=1) + "\n", "utf-8")
    found = job["result"]
    say(name, f"{found['verdict']['verdict']}: {found['verdict']['reason']}", target=GOAL)
    say(f"{name}, one cycle minus best control", json.dumps(found["one_cycle_minus_best_control"]), target="above 0")


def put_mnist(_: Service, place: Path) -> None:
    """Where a worker looks for it before it would download it."""
    raw = place / "data" / "datasets" / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for path in DATA.glob("*-ubyte.gz"):
        shutil.copy(path, raw / path.name)


def put_cifar(service: Service, _: Path) -> None:
    """Upload the pictures, once."""
    if service.http.get("/v1/datasets/cifar10-jpeg").is_success:
        return
    with CIFAR.open("rb") as file:
        answer = service.http.post("/v1/datasets", data={"name": "cifar10-jpeg"}, files={"file": (CIFAR.name, file)})
    answer.raise_for_status()
    wait_until(lambda: _is_ready(service), what="for the check", patience_seconds=600)


def _is_ready(service: Service) -> bool:
    return bool(service.http.get("/v1/datasets/cifar10-jpeg").json()["state"] == "ready")


MNIST, CIFAR = DATA / "train-images-idx3-ubyte.gz", DATA / "cifar10-jpeg.tar.xz"
SMALL_RESNET = {"name": "resnet9", "width": 8}
CYCLES = {"cosine": None, "constant": None}
TASKS = {
    "digits-resnet9": Task({"dataset": "digits", "architecture": SMALL_RESNET, "epochs": 160}),
    "mnist-lenet": Task(
        {"dataset": "MNIST", "architecture": "lenet", "epochs": 8, "seeds": 3, "arms": CYCLES}, put_mnist, MNIST
    ),
    "cifar-cnn3": Task(
        {"dataset": "cifar10-jpeg", "architecture": "cnn3", "epochs": 8, "seeds": 3, "arms": CYCLES}, put_cifar, CIFAR
    ),
    "cifar-resnet9": Task(
        {
            "dataset": "cifar10-jpeg",
            "architecture": {"name": "resnet9", "width": 8},
            "epochs": 8,
            "seeds": 3,
            "arms": CYCLES,
        },
        put_cifar,
        CIFAR,
    ),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--to", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
