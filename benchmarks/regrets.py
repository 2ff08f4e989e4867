"""What tuning gains, and what it leaves: `python benchmarks/regrets.py`.

Through a service, on a part of CIFAR-10: a tuning of everything and one of weight decay alone; then short trainings as
tuned, and with the weight decays of a grid (the default among them), with the tuned one and with that of the rule,
each over the same seeds and with a search of its own for the learning rate. Regret is the best of the grid, known only
afterwards, minus what was tuned. Last, what each of several batch-norm momenta leaves of the gap to exact statistics.
"""

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain.merging import merged
from benchmarks.evidence.jobs import RESULTS, awaited, ended, save
from benchmarks.evidence.tasks import TASKS, Job
from benchmarks.service_figures.serving import Service, alone
from benchmarks.service_figures.showing import say
from worker.reports.intervals import Estimate, estimated

TASK, NAME = "cifar-resnet9", "regrets"
GRID = (0.0, 1e-4, 5e-4, 2e-3, 1e-2)
DEFAULTS, TUNED = "decay_0.0005", "tuned"
PATCHED = {"optimizer": {"name": "sgd"}, "schedule": {"policy": "one_cycle"}}  #: what arms change within


def main() -> None:
    asked = arguments()
    task = TASKS[TASK]
    if task.missing is not None:
        print(f"{task.missing} is not there; skipped")
        return
    print(f"Python {platform.python_version()}, torch {version('torch')}, {platform.processor() or platform.machine()}")
    with alone() as (service, place), service.workers(asked.workers):
        task.put(service, place)
        body = {key: value for key, value in task.body.items() if key != "arms"} | {"epochs": asked.epochs}
        tunings = json.loads(asked.tunings.read_text("utf-8")) if asked.tunings else both_tunings(service, body)
        save(tunings, asked.to / NAME / "tunings.json")
        runs = trained(service, body, arms_of(tunings), seeds=asked.seeds)
        save({"spec": body, "runs": runs}, asked.to / NAME / "trainings.json")
        tell_accuracies(runs)
        tell_momenta(runs)


def both_tunings(service: Service, body: Job) -> Job:
    """Of everything, and of weight decay alone."""
    return {"everything": tuned(service, body), "weight_decay": tuned(service, body | {"tune": ["weight_decay"]})}


def tuned(service: Service, body: Job) -> Job:
    """The result of a tuning."""
    found = ended(service, body | {"kind": "tuning", "name": "tuning"})["result"]
    say("tuned", str(found["values"]), target="as near to the best as noise allows")
    return {name: found[name] for name in ("values", "training", "decisions", "cost")}


def arms_of(tunings: Job) -> dict[str, Job]:
    """What each arm changes of the defaults."""
    decays: Job = {f"decay_{decay:g}": decay for decay in GRID}
    decays |= {"decay_tuned": tunings["weight_decay"]["training"]["optimizer"]["weight_decay"], "decay_rule": "auto"}
    arms = {name: {"optimizer": {"weight_decay": decay}} for name, decay in decays.items()}
    return {TUNED: changed_by(tunings["everything"]), **arms}


def changed_by(tuning: Job) -> Job:
    """What a tuning has chosen, as a merge patch."""
    patch: Job = {}
    for path, value in tuning["values"].items():
        place, _, name = path.rpartition(".")
        (patch.setdefault(place, {}) if place else patch)[name] = value
    return patch


def trained(service: Service, body: Job, arms: dict[str, Job], *, seeds: int) -> list[Job]:
    """Every arm with every seed, seed by seed, so that what a machine does meanwhile meets all arms alike."""
    whole = body | PATCHED | {"kind": "training"}
    ids = {
        (name, seed): service.submit(merged(whole, change) | {"seed": seed, "name": f"{name} {seed}"})
        for seed in range(seeds)
        for name, change in arms.items()
    }
    return [{"arm": name, "seed": seed, **described(awaited(service, id))} for (name, seed), id in ids.items()]


def described(job: Job) -> Job:
    """What a table needs of a training."""
    result, settled = job["result"], {name: one["value"] for name, one in job["resolved"].items()}
    names = ("max_lr", "weight_decay", "batch_size", "batch_norm_momentum")
    kept = ("test_accuracy", "best", "last", "seconds", "search_steps", "batch_norm")
    found = {name: result[name] for name in kept if name in result}
    return found | {name: settled[name] for name in names if name in settled}


def tell_accuracies(runs: list[Job]) -> None:
    """Every arm, and the differences that were asked about."""
    arms: dict[str, list[float]] = {}
    for run in sorted(runs, key=lambda run: run["seed"]):
        arms.setdefault(run["arm"], []).append(100 * run["test_accuracy"])
    for name, values in arms.items():
        say(name, in_points(estimated(values)), target="none")
    best = max((f"decay_{decay:g}" for decay in GRID), key=lambda name: mean(arms[name]))
    for name in ("decay_tuned", "decay_rule"):
        say(f"regret of {name} beside {best}", difference(arms[best], arms[name]), target="0 or below")
    say("tuned minus defaults", difference(arms[TUNED], arms[DEFAULTS]), target="above 0")


def difference(these: list[float], those: list[float]) -> str:
    """Seed by seed."""
    return in_points(estimated([one - other for one, other in zip(these, those, strict=True)]))


def in_points(estimate: Estimate | None) -> str:
    """A mean of percentages, with its interval."""
    assert estimate is not None
    interval = "" if estimate.low is None else f" ({estimate.low:+.2f} to {estimate.high:+.2f})"
    return f"{estimate.mean:+.2f}{interval} points, n={estimate.n}"


def tell_momenta(runs: list[Job]) -> None:
    """How far validation losses at several momenta are from that with exact statistics, in the trainings as tuned."""
    for run in (run for run in runs if "batch_norm" in run):
        found = run["batch_norm"]
        gaps = ", ".join(f"{one['momentum']:.3g}: {one['gap']:.4f}" for one in found["momenta"])
        told = f"the rule says {found['rule']:.3g}, chosen was {found['momentum']:.3g} of the gaps {gaps}"
        say(f"batch-norm momentum, seed {run['seed']}", told, target="the smallest gap")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--tunings", type=Path, help="the file of an earlier run's, instead of new ones")
    parser.add_argument("--to", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
