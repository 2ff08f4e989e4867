"""Finding max_lr with short complete cycles around what a range test suggests: which to run, and what they tell.

A sweep shows each rate only for a moment, so no landmark of it is right for every network and optimizer. A whole cycle
of a twentieth of the steps, judged by the validation loss at its end with exact batch-norm statistics, is: its best
rate lies a little above that of the long cycle, for nets with and without batch norm (benchmarks/lr_selection.py).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain.suggestion import OptimizerName

FEWEST_STEPS = 400  # a shorter training has no steps to spare for trials
SWEEP_SHARE, TRIAL_SHARE, BUDGET_SHARE = 0.09, 0.05, 0.3  # of the training's optimizer steps
MOST_SWEEP_STEPS = 300
LEARNT = 0.05  # of the loss of guessing: a trial that ends less below it has learnt nothing
# Where a sweep shows no minimum, in the middle of what is usual.
USUAL: dict[OptimizerName, float] = {"sgd": 2.0**-4, "adam": 2.0**-7, "adamw": 2.0**-7}


@dataclass(frozen=True, slots=True)
class Margins:
    """How far a whole cycle stays below what a short one stands, because it spends longer at its peak."""

    best: float = 2.0  #: factor below the short cycles' best rate
    cliff: float = 4.0  #: factor below the smallest rate at which a short cycle diverged
    loss: float = 0.02  #: as good as the best is a loss this share above it,
    learnt: float = 0.1  #: unless that is more than this share of what the best has learnt


MARGINS = Margins()


@dataclass(frozen=True, slots=True)
class Budget:
    """Optimizer steps for picking max_lr: one sweep, and trials as long as any are left of `total`."""

    total: int
    sweep_steps: int
    trial_steps: int

    @classmethod
    def of(cls, steps: int, *, most: int | None = None) -> "Budget | None":
        """For a training of so many steps, or None where it is too short to verify anything.

        With `most` steps for the search, it is that of a training to which so many would be due.
        """
        if most is not None:
            steps = min(steps, math.floor(most / BUDGET_SHARE))
        if steps < FEWEST_STEPS:
            return None
        sweep_steps = min(round(SWEEP_SHARE * steps), MOST_SWEEP_STEPS)
        return cls(math.floor(BUDGET_SHARE * steps), sweep_steps, math.floor(TRIAL_SHARE * steps))


@dataclass(frozen=True, slots=True)
class Trial:
    """A short cycle: its largest learning rate, and its loss on validation images; None where it diverged."""

    max_lr: float
    loss: float | None
    steps: int

    @property
    def score(self) -> float:
        """The loss, larger than any where there is none."""
        return math.inf if self.loss is None else self.loss


def search(
    try_rate: Callable[[float, int], Trial], *, start: float, guess: float, budget: Budget, spent: int
) -> list[Trial]:
    """As many trials as it takes, and as `budget` allows after `spent` steps; at least one.

    `try_rate` gets a rate and the steps that the trials before it took.
    """
    trials: list[Trial] = []
    while (rate := next_rate(trials, start=start, guess=guess)) is not None:
        done = sum(trial.steps for trial in trials)
        if trials and spent + done + budget.trial_steps > budget.total:
            break
        trials.append(try_rate(rate, done))
    return trials


def next_rate(trials: Sequence[Trial], *, start: float, guess: float) -> float | None:
    """The rate to try next, or None where the best one has a worse neighbour an octave away on either side.

    Rates are powers of two, from the one next to `start`. Upwards, towards the cliff, the next one is an octave away,
    unless nothing was learnt yet (`guess` is the loss of guessing); downwards two, once the search has moved.
    """
    if not trials:
        return 2.0 ** round(math.log2(start))
    best, tried = best_of(trials), sorted(trial.max_lr for trial in trials)
    if best.loss is None:
        return tried[0] / 4
    place = tried.index(best.max_lr)
    above, below = tried[place + 1 :], tried[:place]
    if not above:
        return best.max_lr * (2 if has_learnt(best, guess) else 4)
    if not below:
        return best.max_lr / (2 if len(tried) < 3 else 4)
    return _between(best.max_lr, below=below[-1], above=above[0])


def _between(best: float, *, below: float, above: float) -> float | None:
    """The octave next to the best that a stride of two has left out."""
    if below < best / 2:
        return best / 2
    return 2 * best if above > 2 * best else None


def best_of(trials: Sequence[Trial]) -> Trial:
    """The one with the smallest loss, the smaller rate where they are equal."""
    return min(trials, key=lambda trial: (trial.score, trial.max_lr))


def has_learnt(trial: Trial, guess: float) -> bool:
    """Whether it ended clearly below the loss of guessing."""
    return trial.loss is not None and trial.loss < (1 - LEARNT) * guess


def verified_rate(trials: Sequence[Trial], *, start: float, guess: float, margins: Margins = MARGINS) -> float:
    """The largest rate for the whole training, never above a cliff's margin.

    Where no trial has learnt anything, nothing tells which rate is good, and `start` is as good as any.
    """
    rates = [trial.max_lr / margins.cliff for trial in trials if trial.loss is None]
    best = best_of(trials)
    if has_learnt(best, guess):
        rates.append(_bottom(trials, guess=guess, margins=margins) / margins.best)
    elif best.loss is not None:
        rates.append(start)
    return min(rates)


def _bottom(trials: Sequence[Trial], *, guess: float, margins: Margins) -> float:
    """The smallest rate that is as good as the best: losses this close differ by luck, and smaller is safer."""
    best = best_of(trials)
    tolerance = min(margins.loss * best.score, margins.learnt * (guess - best.score))
    good = [trial for trial in trials if trial.score <= best.score + tolerance]
    chosen = min(good, key=lambda trial: trial.max_lr)
    return chosen.max_lr * 2.0 ** _offset(trials, best) if chosen is best else chosen.max_lr


def _offset(trials: Sequence[Trial], best: Trial) -> float:
    """Where, in octaves from the best trial, a parabola through it and its neighbours is lowest.

    0 where a neighbour is missing or diverged: there is no parabola through a cliff.
    """
    losses = {trial.max_lr: trial.loss for trial in trials}
    below, above = losses.get(best.max_lr / 2), losses.get(best.max_lr * 2)
    if below is None or above is None or best.loss is None:
        return 0.0
    down, up = below - best.loss, above - best.loss
    return (down - up) / (2 * (down + up)) if down + up > 0 else 0.0


def is_bracketed(trials: Sequence[Trial]) -> bool:
    """Whether the best trial has a worse one, an octave away, on either side."""
    best, tried = best_of(trials).max_lr, {trial.max_lr for trial in trials}
    return {best / 2, best * 2} <= tried


def why(trials: Sequence[Trial], *, max_lr: float, guess: float, margins: Margins = MARGINS) -> str:
    """The reason for a verified rate, in words."""
    told = ", ".join(
        f"{trial.max_lr:.3g}: {_ending(trial)}" for trial in sorted(trials, key=lambda trial: trial.max_lr)
    )
    place = _place(trials, max_lr=max_lr, guess=guess, margins=margins)
    return f"Short complete cycles ended with these losses, by max_lr: {told}. {max_lr:.2g} is {place}."


def _place(trials: Sequence[Trial], *, max_lr: float, guess: float, margins: Margins) -> str:
    cliff = margins.cliff * max_lr
    if any(trial.loss is None and math.isclose(trial.max_lr, cliff) for trial in trials):
        return f"a factor of {margins.cliff:g} below {cliff:.3g}, where a short cycle diverged"
    if not has_learnt(best_of(trials), guess):
        return f"what the search began with, since none got clearly below {guess:.3g}, the loss of guessing"
    good = f"{margins.best * max_lr:.2g}, the smallest rate as good as the best"
    return f"a factor of {margins.best:g} below {good}, because a whole cycle spends longer at its peak"


def _ending(trial: Trial) -> str:
    return "diverged" if trial.loss is None else f"{trial.loss:.3g}"
