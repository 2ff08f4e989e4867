"""What is measured for every task, in the order in which it tells most."""

from collections.abc import Iterable
from itertools import pairwise
from statistics import fmean
from typing import Any

from benchmarks.selection.measuring import measure_sweep, measure_whole, workload_of
from benchmarks.selection.records import Records
from benchmarks.selection.tasks import Task

SEEDS = 5
NEAR_THE_BEST = 4.0  # factor around the best learning rate in which every seed is run
CLIFF = 0.05  # accuracy: what is further below its neighbour has collapsed
FAR_BELOW = 0.1  # accuracy lost to the best from where on only every second rate is run: nothing good lies there
SWEEPS = 4  # sweeps with other seeds, of which each makes a pick
SWEEP_STEPS = 100  # of the rules that read one sweep; the default of the peers


def total_steps(task: Task) -> int:
    """Optimizer steps of the whole training."""
    return workload_of(task.name, 0).steps_per_epoch * task.epochs


def measure(task: Task) -> None:
    """Everything the scores need and that is not yet in the records."""
    records, total = Records(task.name), total_steps(task)
    for seed in range(SWEEPS):
        measure_sweep(records, task, steps=SWEEP_STEPS, seed=seed)
    _whole_grid(records, task, total=total)
    for seed in range(1, SEEDS):
        _whole(records, task, near_the_best(records, task), total=total, seed=seed)
    for seed in range(SEEDS):
        _whole(records, task, above_the_best(records, task), total=total, seed=seed)


def _whole_grid(records: Records, task: Task, *, total: int) -> None:
    """Downwards from the largest rate, where runs collapse and so end early."""
    best, place = 0.0, len(task.grid) - 1
    while place >= 0:
        found = accuracy(measure_whole(records, task, lr=task.grid[place], steps=total, seed=0), classes=10)
        is_rising = found >= best
        best = max(best, found)
        place -= 1 if is_rising or found > best - FAR_BELOW else 2


def _whole(records: Records, task: Task, rates: Iterable[float], *, total: int, seed: int) -> None:
    for lr in rates:
        measure_whole(records, task, lr=lr, steps=total, seed=seed)


def near_the_best(records: Records, task: Task) -> list[float]:
    """Where the truth is decided: the grid around the best mean accuracy."""
    means = mean_accuracies(records, task)
    best = max(means, key=lambda lr: means[lr])
    return [lr for lr in task.grid if best / NEAR_THE_BEST <= lr <= best * NEAR_THE_BEST]


def above_the_best(records: Records, task: Task) -> list[float]:
    """Half an octave between two rates of the grid, where one of them is as good as any and the next one collapses."""
    means = mean_accuracies(records, task)
    best = max(means.values())
    rates = sorted(means)
    edges = [low for low, high in pairwise(rates) if means[low] > best - CLIFF > best - 2 * CLIFF > means[high]]
    return [2**0.5 * low for low in edges]


def mean_accuracies(records: Records, task: Task) -> dict[float, float]:
    """Of every grid rate over the seeds run; a diverged run counts as chance."""
    found: dict[float, list[float]] = {lr: [] for lr in task.grid}
    for record in records.all("whole"):
        if record["lr"] in found:
            found[record["lr"]].append(accuracy(record, classes=10))
    return {lr: fmean(values) for lr, values in found.items() if values}


def accuracy(record: dict[str, Any], *, classes: int) -> float:
    """A diverged run is worth no more than guessing."""
    return 1 / classes if record["accuracy"] is None else float(record["accuracy"])
