"""Learning rate and momentum as pure functions of progress: the one-cycle shapes and the policies they must beat.

Computed, never accumulated: step k of T needs only k and T, so a resumed training goes on exactly where it was.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.domain.specs import policies
from app.domain.specs.policies import Policy, Shape, ShapeName

Curve = Callable[[float], float]  # 0…1 of the way between two turns → share of the rise or fall that is done


def straight(way: float) -> float:
    """In a line."""
    return way


def half_cosine(way: float) -> float:
    """Slow, fast, slow."""
    return (1 - math.cos(math.pi * way)) / 2


def held(way: float) -> float:  # noqa: ARG001 - a curve like the others
    """Stay until the next turn, then jump."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Track:
    """A value over progress: turning points (progress, value), and how it goes from one to the next."""

    turns: tuple[tuple[float, float], ...]
    curve: Curve = straight

    def at(self, progress: float) -> float:
        """The value, clamped before the first turn and past the last, and hit exactly on each of them."""
        after = bisect_right(self.turns, progress, key=lambda turn: turn[0])
        if after in (0, len(self.turns)):
            return self.turns[min(after, len(self.turns) - 1)][1]
        (here, start), (there, end) = self.turns[after - 1], self.turns[after]
        done = self.curve((progress - here) / (there - here))
        return start * (1 - done) + end * done


@dataclass(frozen=True, slots=True)
class Schedule:
    """What every optimizer step trains with; `peak` is the progress at which the learning rate is the largest."""

    rate: Track
    momenta: Track | None = None
    peak: float = 0.0
    annealing_from: float = 0.0

    def learning_rate(self, progress: float) -> float:
        """The learning rate at `progress`, 0 at the first step and 1 at the last."""
        return self.rate.at(progress)

    def momentum(self, progress: float) -> float | None:
        """The momentum at `progress`, or None where the optimizer keeps its own."""
        return None if self.momenta is None else self.momenta.at(progress)

    def at(self, step: int, total: int) -> tuple[float, float | None]:
        """Learning rate and momentum of step 0 … total-1; a later step gets the last one's, a single one the peak's."""
        if step < 0 or total < 1:
            raise ValueError(f"step {step} of {total}: steps count from 0, and there must be at least one")
        progress = self.peak if total == 1 else min(1.0, step / (total - 1))
        return self.learning_rate(progress), self.momentum(progress)


def build_schedule(policy: Policy, *, max_lr: float) -> Schedule:
    """The schedule of a policy whose largest learning rate is known by now."""
    if not 0 < max_lr < math.inf:
        raise ValueError(f"max_lr must be a positive number, not {max_lr}")
    match policy:
        case policies.OneCycle():
            return one_cycle(max_lr, policy.numbers, curve=half_cosine if policy.shape == "cosine" else straight)
        case policies.StepDecay():
            return step_decay(max_lr, milestones=policy.milestones, factor=policy.factor)
        case policies.LinearDecay():
            return Schedule(Track(((0.0, max_lr), (1.0, 0.0))))
        case policies.CosineDecay():
            return Schedule(Track(((0.0, max_lr), (1.0, 0.0)), half_cosine))
        case policies.ConstantLr():
            return Schedule(Track(((0.0, max_lr),)))


def one_cycle(max_lr: float, shape: Shape, *, curve: Curve = straight) -> Schedule:
    """Smith's cycle: up, down, then far below where it started; momentum is its mirror image.

    Source: Smith 2018 (arXiv:1803.09820), Smith & Topin 2019 (arXiv:1708.07120).
    """
    low = max_lr / shape.initial_div
    momenta = None
    if shape.max_momentum is not None and shape.min_momentum is not None:
        high = shape.max_momentum
        momenta = Track(_turns(high, shape.min_momentum, low=high, last=high, shape=shape), curve)
    rate = Track(_turns(low, max_lr, low=low, last=low / shape.final_div, shape=shape), curve)
    return Schedule(rate, momenta, peak=shape.up, annealing_from=_annealing_from(shape, curve))


def _turns(first: float, peak: float, *, low: float, last: float, shape: Shape) -> tuple[tuple[float, float], ...]:
    """The turning points of a cycle. A phase of no length has no turn, so the value never jumps."""
    annihilates_from = 1 - shape.annihilation
    turns = [(shape.up, peak)]
    if shape.up > 0:
        turns.insert(0, (0.0, first))
    if shape.up < annihilates_from < 1:
        turns.append((annihilates_from, low))
    if shape.up < 1:
        turns.append((1.0, last))
    return tuple(turns)


def _annealing_from(shape: Shape, curve: Curve) -> float:
    """The start of the annihilation; without one, where nine tenths of the descent are done (case study: the same)."""
    if shape.annihilation > 0:
        return max(shape.up, 1 - shape.annihilation)
    way = math.acos(1 - 2 * 0.9) / math.pi if curve is half_cosine else 0.9
    return shape.up + (1 - shape.up) * way


def step_decay(max_lr: float, *, milestones: Sequence[float], factor: float) -> Schedule:
    """Times `factor` at each milestone, a share of the training."""
    turns = [(share, max_lr * factor**fallen) for fallen, share in enumerate([0.0, *milestones])]
    return Schedule(Track(tuple(turns), held))


def sweep_rates(
    start: float, end: float, steps: int, kind: Literal["exponential", "linear"] = "exponential"
) -> list[float]:
    """The learning rates of a range test, both ends hit exactly."""
    if not 0 < start < end < math.inf or steps < 2:
        raise ValueError(f"a sweep rises, from above 0, in at least 2 steps; not from {start} to {end} in {steps}")
    shares = [step / (steps - 1) for step in range(steps)]
    if kind == "linear":
        return [start * (1 - share) + end * share for share in shares]
    inner = [start * (end / start) ** share for share in shares[:-1]]
    return [*inner, end]


class OneCycle:
    """One cycle for anybody's own loop: `for lr, momentum in OneCycle(max_lr=0.4, total_steps=1000): …`.

    Takes every field of the `one_cycle` policy; momentum is None where the shape leaves it alone.
    """

    def __init__(
        self, *, max_lr: float, total_steps: int, shape: ShapeName = "case_study", **overrides: float | None
    ) -> None:
        if total_steps < 1:
            raise ValueError(f"total_steps must be at least 1, not {total_steps}")
        policy = policies.OneCycle.model_validate({"max_lr": max_lr, "shape": shape, **overrides})
        self.schedule = build_schedule(policy, max_lr=max_lr)
        self.total_steps = total_steps

    def at(self, step: int) -> tuple[float, float | None]:
        """Learning rate and momentum of a step, counted from 0."""
        return self.schedule.at(step, self.total_steps)

    def __len__(self) -> int:
        return self.total_steps

    def __iter__(self) -> Iterator[tuple[float, float | None]]:
        return (self.at(step) for step in range(self.total_steps))
