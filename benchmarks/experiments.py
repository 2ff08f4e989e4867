"""Is it super-convergence? Comparisons on real data through a service: `python benchmarks/experiments.py`.

Each task is one `comparison` as a user would submit it, on SQLite with one worker on this machine: its report is saved
below `--to`, and its verdict printed. Where `--peers-python` has fastai, its `fit_one_cycle` with its own `lr_find` is
one more arm, over the epochs of ours. `--tasks` picks some; what needs data that is not there is skipped by name.
"""

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.evidence.fastai_arm import fastai_accuracies
from benchmarks.evidence.jobs import RESULTS, ended, save
from benchmarks.evidence.tasks import TASKS, Job, Task
from benchmarks.peers.asking_fastai import MissingError
from benchmarks.service_figures.serving import Service, alone
from benchmarks.service_figures.showing import say
from worker.reports.intervals import estimated

GOAL = "within 3 points in a quarter of the epochs"


def main() -> None:
    asked = arguments()
    print(f"Python {platform.python_version()}, torch {version('torch')}, {platform.processor() or platform.machine()}")
    with alone() as (service, place), service.workers(asked.workers):
        for name in asked.tasks:
            task = TASKS[name]
            if task.missing is not None:
                print(f"{name}: {task.missing} is not there; skipped")
                continue
            task.put(service, place)
            compare(service, name, task, asked)


def compare(service: Service, name: str, task: Task, asked: argparse.Namespace) -> None:
    """Submit it, wait, save its report, and print what it found."""
    job = ended(service, task.body | {"kind": "comparison", "name": name, "seeds": asked.seeds})
    folder: Path = asked.to / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("report.json", "report.csv", "comparison.png", "verdict.png"):
        answer = service.http.get(f"/v1/jobs/{job['id']}/artifacts/{file}").raise_for_status()
        (folder / file).write_bytes(answer.content)
    save(job["spec"], folder / "spec.json")
    found = job["result"]
    say(name, f"{found['verdict']['verdict']}: {found['verdict']['reason']}", target=GOAL)
    say(f"{name}, one cycle minus best control", json.dumps(found["one_cycle_minus_best_control"]), target="above 0")
    if asked.peers_python and task.pictures is not None:
        beside_fastai(service, name, task, job, asked)


def beside_fastai(service: Service, name: str, task: Task, job: Job, asked: argparse.Namespace) -> None:
    """Train with fastai as often as the arm of one cycle did, and print the difference on the test split."""
    ours = [service.job(id) for id in job["result"]["arms"]["one_cycle"]["jobs"]][: asked.peer_seeds]
    seeds = [one["spec"]["seed"] for one in ours]
    assert task.pictures is not None
    try:
        peers = fastai_accuracies(task.pictures, ours[0]["spec"], python=asked.peers_python, seeds=seeds)
    except MissingError as error:
        print(f"{name}: NOT THERE: fastai ({error})")
        return
    pairs = zip(ours, peers["test_accuracies"], strict=True)
    difference = estimated([one["result"]["test_accuracy"] - theirs for one, theirs in pairs])
    assert difference is not None
    save(peers | {"one_cycle_minus_fastai": difference.as_dict()}, asked.to / name / "fastai.json")
    say(f"{name}, one cycle minus fastai {peers['version']}", json.dumps(difference.as_dict()), target="above 0")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--peers-python", help="an interpreter that has fastai; without it there is no such arm")
    parser.add_argument("--peer-seeds", type=int, help="of fastai's trainings, which take longer; by default as many")
    parser.add_argument("--to", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
