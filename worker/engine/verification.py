"""Runs the trials by which max_lr is verified: short cycles around what the sweep suggests, while the budget lasts."""

import math

from app.domain.schedules import build_schedule
from app.domain.specs.training import TrainingSpec
from app.domain.verification import Budget, Trial, next_rate
from worker.engine.cycles import PHASE, judge, run_cycle
from worker.engine.events import Control, Logged, PhaseStarted
from worker.engine.workload import Workload


def run_trials(
    workload: Workload, spec: TrainingSpec, *, start: float, budget: Budget, spent: int, control: Control
) -> list[Trial]:
    """As many trials as it takes, and as `budget` allows after `spent` steps; at least one. Raises Stopped."""
    control.emit(PhaseStarted(PHASE, steps=max(budget.trial_steps, budget.total - spent)))
    trials: list[Trial] = []
    guess = loss_of_guessing(workload)
    while (rate := next_rate(trials, start=start, guess=guess)) is not None:
        done = sum(trial.steps for trial in trials)
        if trials and spent + done + budget.trial_steps > budget.total:
            break
        trial = run_trial(workload, spec, max_lr=rate, steps=budget.trial_steps, first_step=done, control=control)
        control.emit(Logged("info", _told(trial)))
        trials.append(trial)
    return trials


def loss_of_guessing(workload: Workload) -> float:
    """The cross-entropy of giving every class the same chance."""
    return math.log(max(len(workload.classes), 2))


def run_trial(
    workload: Workload, spec: TrainingSpec, *, max_lr: float, steps: int, first_step: int, control: Control
) -> Trial:
    """One short cycle under the training's own schedule, judged."""
    schedule = build_schedule(spec.schedule, max_lr=max_lr)
    cycle = run_cycle(workload, spec, schedule=schedule, steps=steps, control=control, first_step=first_step)
    return Trial(max_lr, judge(workload, cycle, control=control), len(cycle.loss))


def _told(trial: Trial) -> str:
    ended = "diverged" if trial.loss is None else f"ended with a loss of {trial.loss:.3g}"
    return f"A cycle of {trial.steps} steps with max_lr {trial.max_lr:.3g} {ended}."
