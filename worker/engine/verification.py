"""Runs the trials by which max_lr is verified: short cycles around what the sweep suggests, while the budget lasts."""

from app.domain.schedules import build_schedule
from app.domain.specs.training import TrainingSpec
from app.domain.verification import Budget, Trial, search
from worker.engine.cycles import PHASE, judge, run_cycle
from worker.engine.divergence import loss_of_guessing
from worker.engine.events import Control, Logged, PhaseStarted
from worker.engine.weight_decay import with_decay
from worker.engine.workload import Workload


def run_trials(
    workload: Workload, spec: TrainingSpec, *, start: float, budget: Budget, spent: int, control: Control
) -> list[Trial]:
    """Try rates while the budget lasts. Raises Stopped."""
    control.emit(PhaseStarted(PHASE, steps=max(budget.trial_steps, budget.total - spent)))

    def try_rate(rate: float, done: int) -> Trial:
        trial = run_trial(workload, spec, max_lr=rate, steps=budget.trial_steps, first_step=done, control=control)
        control.emit(Logged("info", _told(trial)))
        return trial

    return search(try_rate, start=start, guess=loss_of_guessing(len(workload.classes)), budget=budget, spent=spent)


def run_trial(
    workload: Workload, spec: TrainingSpec, *, max_lr: float, steps: int, first_step: int, control: Control
) -> Trial:
    """One short cycle under the training's own schedule, judged."""
    schedule = build_schedule(spec.schedule, max_lr=max_lr)
    decaying = with_decay(workload, spec, max_lr=max_lr)  # as much, for lr × decay is what counts, at every rate
    cycle = run_cycle(workload, decaying, schedule=schedule, steps=steps, control=control, first_step=first_step)
    return Trial(max_lr, judge(workload, cycle, control=control), len(cycle.loss))


def _told(trial: Trial) -> str:
    ended = "diverged" if trial.loss is None else f"ended with a loss of {trial.loss:.3g}"
    return f"A cycle of {trial.steps} steps with max_lr {trial.max_lr:.3g} {ended}."
