"""What the service costs and how fast it answers: `python benchmarks/service.py`.

On real processes, as `supercycle serve` starts them: on SQLite and the embedded broker, and on PostgreSQL and Redis,
each a database of its own, where such servers are there. Trainings of the digits on the CPU.

- import: of the API, by a fresh process each.
- start: from sending POST /v1/jobs to the first optimizer steps, warm; and the API's memory.
- cancel: from POST …/cancel to the end of the job.
- stop: from SIGTERM of a worker that trains to its exit.
- history: what the rows of the history cost a training, against a worker that commits them with its end.
- growth: bytes in the database for a thousand steps.
- queue: thousands of jobs: a claim, two workers draining it, the hints in the broker.

Targets are printed beside the figures; a figure that misses its own does not fail the command.
"""

import argparse
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.service_figures.deep_queue import measure_queue
from benchmarks.service_figures.growth import measure_growth
from benchmarks.service_figures.history import measure_history
from benchmarks.service_figures.serving import Service, serving
from benchmarks.service_figures.setups import NotThere, Setup, embedded, servers
from benchmarks.service_figures.showing import show
from benchmarks.service_figures.stopping import measure_stop
from benchmarks.service_figures.waits import measure_cancel, measure_first_steps

IMPORT = "import"
FIGURES = ["start", "cancel", "stop", "history", "growth", "queue"]
SETUPS = ["embedded", "servers"]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and so what was started is stopped as well
    asked = arguments()
    names = ("torch", "celery", "sqlalchemy", "fastapi")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"Python {platform.python_version()}, {versions}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"seed {asked.seed}, rounds {asked.rounds}")
    if IMPORT in asked.only:
        imports = [import_seconds() for _ in range(min(10, asked.rounds))]
        show("import app.main, a fresh process each", imports, unit="s", target="under 1.5 s")
    for name in asked.on if set(FIGURES) & set(asked.only) else ():
        try:
            with setup_of(name, asked) as setup:
                measure(setup, asked)
        except NotThere as reason:
            print(f"\nSKIPPED {name}: {reason}")


def import_seconds() -> float:
    """What the import takes beyond starting Python."""
    code = "import time; began = time.perf_counter(); import app.main; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def setup_of(name: str, asked: argparse.Namespace) -> AbstractContextManager[Setup]:
    return embedded() if name == "embedded" else servers(asked.postgresql, asked.redis)


def measure(setup: Setup, asked: argparse.Namespace) -> None:
    """All that was asked for, in one service."""
    print(f"\n{setup.name}: {setup.versions}", flush=True)
    with tempfile.TemporaryDirectory(prefix="supercycle-") as folder, serving(setup, Path(folder)) as service:
        for figure in figures(service, asked):
            figure()


def figures(service: Service, asked: argparse.Namespace) -> Iterator[Callable[[], None]]:
    """Those that were asked for, in an order in which none disturbs the next."""
    dice = random.Random(asked.seed)  # noqa: S311 - for pauses and seeds
    few = min(asked.rounds, max(5, asked.rounds // 4))
    all_of_them: dict[str, Callable[[], None]] = {
        "start": lambda: measure_first_steps(service, rounds=asked.rounds, dice=dice),
        "cancel": lambda: measure_cancel(service, rounds=asked.rounds, dice=dice),
        "stop": lambda: measure_stop(service, rounds=few, dice=dice),
        "history": lambda: measure_history(service, rounds=few, dice=dice),
        "growth": lambda: measure_growth(service),
        "queue": lambda: measure_queue(service, waiting=asked.waiting, drained=asked.jobs),
    }
    return (figure for name, figure in all_of_them.items() if name in asked.only)


def arguments() -> argparse.Namespace:
    choices = [IMPORT, *FIGURES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=choices, default=choices)
    parser.add_argument("--on", nargs="+", choices=SETUPS, default=SETUPS)
    parser.add_argument("--rounds", type=int, default=20, help="a quarter, but five, of what takes long")
    parser.add_argument("--waiting", type=int, default=5_000, help="jobs in the deep queue")
    parser.add_argument("--jobs", type=int, default=40, help="how many of them are trained; the rest is cancelled")
    parser.add_argument("--seed", type=int, default=0, help="of the pauses between rounds and of the trainings")
    parser.add_argument("--postgresql", default="postgresql+psycopg://postgres@127.0.0.1/", metavar="URL")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/14", metavar="URL", help="an empty database")
    return parser.parse_args()


if __name__ == "__main__":
    main()
