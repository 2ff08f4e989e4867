"""Rules to score: each makes a pick from what was measured for one task and seed, and says what it cost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain.smoothing import loess
from app.domain.suggestion import Suggestion, suggest_learning_rate
from app.domain.verification import MARGINS, USUAL, Budget, Margins, Trial, search, verified_rate
from benchmarks.selection.grid import SWEEP_STEPS, total_steps
from benchmarks.selection.measuring import measure_hits, measure_sweep, measure_trial
from benchmarks.selection.records import Records
from benchmarks.selection.tasks import Task
from worker.engine.divergence import loss_of_guessing

GUESS = loss_of_guessing(10)  # all tasks have ten classes
LANDMARKS = ("steepest", "valley", "minimum_over_ten", "minimum", "edge")
PEERS = ("fastai minimum", "fastai steep", "fastai valley", "fastai slide", "torch-lr-finder", "lightning")


@dataclass(frozen=True)
class Pick:
    """A largest learning rate, and the optimizer steps spent on finding it."""

    lr: float
    steps: int


Rule = Callable[[Task, Records, int], Pick | None]


def reading(task: Task, records: Records, seed: int, *, steps: int = SWEEP_STEPS) -> Suggestion:
    """Our own reading of our own sweep."""
    record = records.get("sweep", steps=steps, seed=seed)
    assert record is not None
    return _read(task, record)


def _read(task: Task, record: dict[str, Any]) -> Suggestion:
    losses = [np.nan if loss is None else loss for loss in record["losses"]]
    return suggest_learning_rate(
        record["rates"], losses, optimizer=task.optimizer, stopped=record["stopped"], extended=record["extended"]
    )


def landmark(name: str) -> Rule:
    """One of our landmarks, taken as it is."""

    def pick(task: Task, records: Records, seed: int) -> Pick | None:
        found = getattr(reading(task, records, seed).landmarks, name)
        return None if found is None else Pick(found, SWEEP_STEPS)

    return pick


def margin(task: Task, records: Records, seed: int) -> Pick | None:
    """The careful rule for short trainings."""
    return Pick(reading(task, records, seed).max_lr, SWEEP_STEPS)


def peer(name: str) -> Rule:
    """What another package suggested; one that makes no suggestion leaves its user with nothing."""

    def pick(task: Task, records: Records, seed: int) -> Pick | None:  # noqa: ARG001
        record = records.get("peer", seed=seed)
        found = record["picks"].get(name) if record else None
        return None if found is None else Pick(found, SWEEP_STEPS)

    return pick


def highest_accuracy(task: Task, records: Records, seed: int) -> Pick | None:
    """The rate of the sweep's step with the most right answers, smoothed as the loss is."""
    record = measure_hits(records, task, steps=SWEEP_STEPS, seed=seed)
    smooth = loess(np.log(record["rates"]), np.array(record["hits"], dtype=np.float64), share=0.1)
    return Pick(float(record["rates"][int(smooth.argmax())]), SWEEP_STEPS)


def fixed(task: Task, records: Records, seed: int) -> Pick | None:  # noqa: ARG001
    """What many examples start with."""
    return Pick(0.1 if task.optimizer == "sgd" else 1e-3, 0)


def verified(margins: Margins = MARGINS) -> Rule:
    """Our own: a short sweep, then short cycles around its minimum, as the service does it."""

    def pick(task: Task, records: Records, seed: int) -> Pick | None:
        total = total_steps(task)
        budget = Budget.of(total)
        assert budget is not None
        sweep = measure_sweep(records, task, steps=budget.sweep_steps, seed=seed, short=True)
        start = _read(task, sweep).landmarks.minimum or USUAL[task.optimizer]
        spent = len(sweep["rates"])

        def try_rate(rate: float, _: int) -> Trial:
            return measure_trial(records, task, lr=rate, steps=budget.trial_steps, seed=seed)

        trials = search(try_rate, start=start, guess=GUESS, budget=budget, spent=spent)
        spent += sum(trial.steps for trial in trials)
        return Pick(verified_rate(trials, start=start, guess=GUESS, margins=margins), spent)

    return pick
