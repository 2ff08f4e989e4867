"""What the service survives: `python benchmarks/faults.py --store sqlite|servers|both --faults N --seconds S --seed K`.

Real processes, embedded or on a PostgreSQL and a Redis of the harness's own. Clients submit tiny trainings, cancel and
pause some; meanwhile processes are killed, stopped and frozen past their lease, the database goes away, the disk fills
up. Afterwards the histories of all jobs are read and checked: each accepted job ended once, none is lost or doubled,
one attempt at a time wrote, results are whole. Prints a table; ends with 1 and the history of each job that breaks a
promise.
"""

import argparse
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.fault_harness.blows import STRIKES
from benchmarks.fault_harness.campaign import run
from benchmarks.fault_harness.checker import Violation, violations
from benchmarks.fault_harness.cluster import Store
from benchmarks.fault_harness.figures import table
from benchmarks.fault_harness.nemesis import Plan
from benchmarks.fault_harness.recording import Event, JobRecord, Recording
from benchmarks.fault_harness.servers import missing_programs

SHOWN = 5  #: breaches of each rule by each job
STORES: dict[str, list[Store]] = {"sqlite": ["sqlite"], "servers": ["servers"], "both": ["sqlite", "servers"]}


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=STORES, default="both")
    parser.add_argument("--faults", type=int, default=20, metavar="N")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="over which they are spread")
    parser.add_argument("--seed", type=int, default=0, metavar="K")
    parser.add_argument(
        "--logs", type=Path, metavar="DIR", help="keep the service's logs there, off the disk that is filled"
    )
    parser.add_argument(
        "--leave-out", nargs="*", default=[], choices=STRIKES, metavar="KIND", help="faults not to make"
    )
    parser.add_argument("--verbose", action="store_true", help="say each fault as it is made")
    asked = parser.parse_args()
    if asked.store != "sqlite" and missing_programs():
        parser.error(f"not on this machine: {', '.join(missing_programs())}; install them, or ask for --store sqlite")
    return max(_run(store, asked) for store in STORES[asked.store])


def _run(store: Store, asked: argparse.Namespace) -> int:
    within = timedelta(seconds=asked.seconds)
    print(f"{store}: {asked.faults} faults within {asked.seconds:g} s, seed {asked.seed}", flush=True)
    logs = asked.logs.absolute() / store if asked.logs else None
    say = _say if asked.verbose else _hush
    plan = Plan(asked.faults, within, asked.seed, left_out=frozenset(asked.leave_out))
    recording = run(store, plan, logs=logs, say=say)
    found = violations(recording)
    for name, value in [*table(recording), ("violations", str(len(found)))]:
        print(f"  {name:22} {value}", flush=True)
    _accuse(found, recording)
    return 1 if found else 0


def _accuse(found: list[Violation], recording: Recording) -> None:
    """Say what was broken, with the history of each job concerned; many breaches of one kind are often one breach."""
    said: Counter[tuple[str, str]] = Counter()
    for violation in found:
        said[violation.rule, violation.job_id] += 1
        if said[violation.rule, violation.job_id] <= SHOWN:
            print(f"VIOLATION ({violation.rule}) {violation.job_id}: {violation.what}")
    concerned = {violation.job_id for violation in found}
    for job in recording.jobs:
        if job.id in concerned:
            _print_history(job, recording)


def _print_history(job: JobRecord, recording: Recording) -> None:
    print(f"history of {job.id}, {job.state}, {job.error}")
    words = [(event.time, _describe(event)) for event in job.events]
    words += [(fault.began, f"      fault: {fault.kind} {fault.hit.get(job.id, '')}") for fault in recording.faults]
    first, last = job.events[0].time, job.events[-1].time
    for when, what in sorted(words):
        if first - 1 <= when <= last + 1:
            print(f"  {when - first:8.3f}  {what}")


def _describe(event: Event) -> str:
    columns = {"learning_rate", "momentum", "loss"}
    shown = {
        name: f"{len(value)} values" if name in columns and isinstance(value, list) else value
        for name, value in event.data.items()
    }
    return f"{event.seq:4} attempt {event.attempt} {event.type} {shown}"


def _say(what: str) -> None:
    print(f"{time.time():.3f} {what}", flush=True)


def _hush(what: str) -> None:
    """Nobody wants to know each fault."""


if __name__ == "__main__":
    sys.exit(main())
