"""The search for max_lr within a training: a range test, and short cycles around it where there are steps for them."""

from collections.abc import Sequence

from app.domain.picks import pick_from
from app.domain.repeats import Curve, suggest_from
from app.domain.specs import RangeTestSpec, TrainingSpec
from app.domain.suggestion import Suggestion
from app.domain.verification import (
    FEWEST_STEPS,
    USUAL,
    Budget,
    Trial,
    best_of,
    has_learnt,
    is_bracketed,
    verified_rate,
    why,
)
from worker.engine.divergence import loss_of_guessing
from worker.engine.errors import LrDiverged
from worker.engine.events import Control, Warned
from worker.engine.range_test import sweep
from worker.engine.verification import run_trials
from worker.engine.weight_decay import with_decay
from worker.engine.workload import Workload
from worker.max_lr import MaxLr
from worker.messages import Line, Settled
from worker.outputs import Outputs

_TOO_SHORT = (
    f"A training of fewer than {FEWEST_STEPS} optimizer steps has none to spare for verifying max_lr by short cycles."
)
_NOT_SURE = "The steps for short cycles ran out before one had learnt something and had a worse one on either side."


def swept_curves(workload: Workload, spec: RangeTestSpec, control: Control) -> list[Curve]:
    """The sweeps of a range test."""
    return [
        Curve(one.learning_rate.tolist(), one.loss.tolist(), one.stopped, one.extended, one.held_out_loss)
        for one in sweep(workload, spec, control)
    ]


def read_curves(curves: Sequence[Curve], spec: RangeTestSpec, *, hint: str) -> Suggestion:
    """What they suggest; raises LrDiverged, with what to do about it, where there is nothing to read."""
    try:
        return suggest_from(curves, optimizer=spec.optimizer.name)
    except ValueError as error:
        raise LrDiverged(f"The range test gives no curve to read: {error}", hint=hint) from error


def tell_warnings(suggestion: Suggestion, control: Control) -> None:
    """Each as an event, with its sentence."""
    for code in suggestion.warnings:
        control.emit(Warned(code, suggestion.explain_warning(code)))


class Search:
    """One search; its pictures and numbers go where the training's go."""

    _hint = "Look for NaN in the data, or give schedule.max_lr as a number."

    def __init__(self, workload: Workload, spec: TrainingSpec, *, line: Line, outputs: Outputs) -> None:
        self._workload, self._spec, self._line, self._outputs = workload, spec, line, outputs
        self._steps = spec.epochs * workload.steps_per_epoch

    @property
    def _sweeping(self) -> TrainingSpec:
        """Where weight decay hangs on the rate that is looked for, a sweep has that of the usual one."""
        return with_decay(self._workload, self._spec)

    def run(self) -> MaxLr:
        """Sweep, verify where that is asked for and affordable, and settle what was found."""
        schedule = self._spec.schedule
        budget = Budget.of(self._steps, most=schedule.search_steps) if schedule.pick == "best" else None
        found = self._verified(budget) if budget else self._read_off()
        found.settle(self._line.send)
        return found

    def _read_off(self) -> MaxLr:
        """From a whole range test alone."""
        spec = self._sweeping.range_test()
        curves, suggestion = self._sweep(spec)
        tell_warnings(suggestion, self._line)
        pick = pick_from(suggestion, self._spec.schedule.pick)
        self._outputs.draw_range_test(curves, suggestion, max_lr=pick.max_lr)
        if pick.warning is not None:
            self._line.emit(Warned("landmark_missing", pick.warning))
        reason = pick.reason
        if self._spec.schedule.pick == "best":
            self._warn(_TOO_SHORT, unless="low_confidence" in suggestion.warnings)
            reason = f"{reason} {_TOO_SHORT}"
        steps = sum(len(curve.losses) for curve in curves)
        return MaxLr(pick.max_lr, reason, search_steps=steps, fallback=pick.fallback)

    def _verified(self, budget: Budget) -> MaxLr:
        """From short cycles around the minimum of a short sweep."""
        curves, suggestion = self._sweep(self._sweeping.range_test(steps=budget.sweep_steps))
        spent = sum(len(curve.losses) for curve in curves)
        start = suggestion.landmarks.minimum or USUAL[self._spec.optimizer.name]
        trials = run_trials(self._workload, self._spec, start=start, budget=budget, spent=spent, control=self._line)
        guess = loss_of_guessing(len(self._workload.classes))
        max_lr = verified_rate(trials, start=start, guess=guess)
        self._outputs.draw_range_test(curves, suggestion, max_lr=max_lr)
        self._outputs.draw_verification(trials, max_lr=max_lr)
        described = [{"max_lr": trial.max_lr, "loss": trial.loss, "steps": trial.steps} for trial in trials]
        self._line.send(
            Settled("trials", described, "verification", "Short complete cycles, and the loss at their end.")
        )
        self._warn(_NOT_SURE, unless=is_bracketed(trials) and has_learnt(best_of(trials), guess))
        return MaxLr(
            max_lr, why(trials, max_lr=max_lr, guess=guess), search_steps=spent + _steps(trials), origin="verification"
        )

    def _sweep(self, spec: RangeTestSpec) -> tuple[list[Curve], Suggestion]:
        curves = swept_curves(self._workload, spec, self._line)
        suggestion = read_curves(curves, spec, hint=self._hint)
        return curves, suggestion

    def _warn(self, detail: str, *, unless: bool) -> None:
        if not unless:
            self._line.emit(Warned("low_confidence", detail))


def _steps(trials: Sequence[Trial]) -> int:
    return sum(trial.steps for trial in trials)
