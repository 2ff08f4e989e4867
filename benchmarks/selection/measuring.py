"""Measurements: complete cycles, long for the truth and short for verification, and sweeps."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from app.domain.schedules import build_schedule, sweep_rates
from app.domain.verification import Trial
from benchmarks.selection.records import Records
from benchmarks.selection.tasks import BY_NAME, Task
from benchmarks.silent import Silent
from worker.engine.batch_norm import plain_batches, recompute_statistics
from worker.engine.cycles import Cycle, run_cycle
from worker.engine.evaluation import evaluate
from worker.engine.loop import Stepper
from worker.engine.range_test import sweep
from worker.engine.verification import run_trial
from worker.engine.workload import Workload

SILENT = Silent()


@cache
def workload_of(task: str, seed: int) -> Workload:
    """Prepared once for each seed."""
    return BY_NAME[task].workload(seed=seed)


def measure_whole(records: Records, task: Task, *, lr: float, steps: int, seed: int) -> dict[str, Any]:
    """A whole cycle, and its accuracy on what was held back for the truth, with exact batch-norm statistics."""
    known = records.get("whole", lr=lr, steps=steps, seed=seed)
    if known is not None:
        return known
    workload, spec = workload_of(task.name, seed), task.spec(seed=seed)
    schedule = build_schedule(spec.schedule, max_lr=lr)
    cycle = run_cycle(workload, spec, schedule=schedule, steps=steps, control=SILENT)
    record = {"kind": "whole", "lr": lr, "steps": steps, "seed": seed, "diverged": cycle.diverged}
    records.add(record | {"accuracy": _accuracy(workload, cycle)})
    return records.get("whole", lr=lr, steps=steps, seed=seed) or {}


def _accuracy(workload: Workload, cycle: Cycle) -> float | None:
    if cycle.diverged:
        return None
    assert workload.test is not None
    recompute_statistics(cycle.network, plain_batches(workload), precision="fp32")
    return _rounded(evaluate(cycle.network, workload.test, precision="fp32", control=SILENT).accuracy)


def measure_trial(records: Records, task: Task, *, lr: float, steps: int, seed: int) -> Trial:
    """A short cycle, run and judged by the service's own code."""
    known = records.get("trial", lr=lr, steps=steps, seed=seed)
    if known is None:
        workload, spec = workload_of(task.name, seed), task.spec(seed=seed)
        trial = run_trial(workload, spec, max_lr=lr, steps=steps, first_step=0, control=SILENT)
        loss = None if trial.loss is None else _rounded(trial.loss)
        known = {"kind": "trial", "lr": lr, "steps": steps, "seed": seed, "loss": loss, "taken": trial.steps}
        records.add(known)
    return Trial(lr, known["loss"], known["taken"])


def measure_sweep(records: Records, task: Task, *, steps: int, seed: int, short: bool = False) -> dict[str, Any]:
    """One range test over the default range, or as short as the search for max_lr begins with."""
    training = task.spec(seed=seed)
    spec = training.range_test(steps=steps) if short else training.range_test().model_copy(update={"steps": steps})
    start = spec.start_lr
    known = records.get("sweep", lr=start, steps=steps, seed=seed)
    if known is not None:
        return known
    (swept,) = sweep(workload_of(task.name, seed), spec, SILENT)
    record: dict[str, Any] = {
        "kind": "sweep",
        "lr": start,
        "steps": steps,
        "seed": seed,
        "stopped": swept.stopped,
        "extended": swept.extended,
    }
    record |= {"rates": _all_rounded(swept.learning_rate.tolist()), "losses": _all_rounded(swept.loss.tolist())}
    records.add(record)
    return record


def measure_hits(records: Records, task: Task, *, steps: int, seed: int) -> dict[str, Any]:
    """Right answers in the batch of every step of a sweep over the default range, which the service does not keep."""
    known = records.get("hits", steps=steps, seed=seed)
    if known is not None:
        return known
    workload, spec = workload_of(task.name, seed), task.spec(seed=seed)
    rates = sweep_rates(*spec.range_test().bounds, steps)
    stepper = Stepper(workload, spec.optimizer)
    batches = workload.training.shuffled(seed, augmentation=workload.augmentation, stop=steps)
    hits = [
        int(stepper.step(batch, step=step, learning_rate=rate, momentum=None)[1])
        for step, (rate, batch) in enumerate(zip(rates, batches, strict=True))
    ]
    record = {"kind": "hits", "steps": steps, "seed": seed, "rates": _all_rounded(rates), "hits": hits}
    records.add(record)
    return record


def _all_rounded(values: Sequence[float]) -> list[float | None]:
    return [_rounded(value) for value in values]


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if abs(value) < float("inf") else None
