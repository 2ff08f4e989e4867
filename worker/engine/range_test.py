"""The learning-rate range test: one sweep of a fresh network from a small rate to a large one (Smith 2015)."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from app.domain.schedules import sweep_rates
from app.domain.specs.range_test import RangeTestSpec
from worker.engine.determinism import determinism
from worker.engine.device import memory_errors
from worker.engine.divergence import SweepStop, Verdict
from worker.engine.draws import preserved
from worker.engine.evaluation import until_stopped
from worker.engine.events import Control, Logged, PhaseStarted, Resized
from worker.engine.held_out import HeldOut
from worker.engine.loop import Ledger, Stepper
from worker.engine.workload import Workload

_PHASE = "range_test"
_BLOCK_STEPS = 10  # so many steps may be computed in vain after the loss diverged; fewer would wait for the GPU more


@dataclass(frozen=True)
class Sweep:
    """The curve: learning rate and raw loss of each step, the last one being where it was stopped."""

    learning_rate: NDArray[np.float64]
    loss: NDArray[np.float64]
    stopped: Literal["diverged", "end", "non_finite"]
    extended: bool  #: whether it went on for a decade beyond its end
    held_out_loss: list[float | None] | None = None  #: before each step, None where it was not looked at


@dataclass
class _Curve:
    first_step: int
    learning_rate: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    held_out: HeldOut | None = None
    held_out_loss: list[float | None] = field(default_factory=list)
    looks: list[Tensor | None] = field(default_factory=list)  #: of the steps whose losses are still on the device

    def __len__(self) -> int:
        return len(self.loss)

    def look(self, network: nn.Module, *, step: int) -> None:
        """Note the held-out loss before this step, where one is wanted."""
        if self.held_out is not None:
            self.looks.append(self.held_out.loss(network) if self.held_out.due(step) else None)

    def take_looks(self, kept: int) -> list[float | None] | None:
        """Those of the block's first steps, as numbers; waits for the device."""
        if self.held_out is None:
            return None
        losses = [None if loss is None else loss.item() for loss in self.looks[:kept]]
        self.held_out_loss += losses
        self.looks = []
        return losses


def sweep(workload: Workload, spec: RangeTestSpec, control: Control) -> list[Sweep]:
    """Run the sweeps of a range test; emits its phase and steps, and leaves torch's global generators as they were.

    Every repeat begins with other weights and sees the images in another order. Where the loss never diverged and
    the end was not the user's choice, a sweep goes on for one more decade. Steps are counted through all sweeps.
    """
    rates = sweep_rates(*spec.bounds, spec.steps_for(workload.steps_per_epoch), spec.sweep)
    control.emit(PhaseStarted(_PHASE, steps=spec.repeats * len(rates)))
    swept: list[Sweep] = []
    with preserved(workload.device), memory_errors(), determinism(workload.deterministic):
        for repeat in range(spec.repeats):
            held_out = HeldOut(workload, every=spec.held_out) if spec.held_out else None
            curve = _Curve(first_step=sum(len(other.loss) for other in swept), held_out=held_out)
            planned = curve.first_step + (spec.repeats - repeat) * len(rates)
            if repeat:
                control.emit(Resized(_PHASE, planned))  # the ones before may have ended early, or gone on
                control.emit(Logged("info", f"Sweep {repeat + 1} of {spec.repeats} begins."))
            swept.append(
                _sweep_once(workload.reseeded(repeat), spec, rates, curve=curve, planned=planned, control=control)
            )
    return swept


def _sweep_once(
    workload: Workload, spec: RangeTestSpec, rates: list[float], *, curve: "_Curve", planned: int, control: Control
) -> Sweep:
    stepper, rule = Stepper(workload, spec.optimizer), SweepStop()
    stopped = _run(stepper, workload, rates, curve=curve, rule=rule, control=control)
    extended = stopped is None and spec.end_lr is None
    if extended:
        more = _one_more_decade(rates)
        control.emit(Logged("info", f"The loss did not diverge up to {rates[-1]:g}; going on to {more[-1]:g}."))
        control.emit(Resized(_PHASE, planned + len(more)))
        stopped = _run(stepper, workload, more, curve=curve, rule=rule, control=control)
    held_out_loss = curve.held_out_loss if spec.held_out else None
    return Sweep(np.array(curve.learning_rate), np.array(curve.loss), stopped or "end", extended, held_out_loss)


def _one_more_decade(rates: list[float]) -> list[float]:
    """From the last rate to ten times as much, at the pace in which the sweep arrived, but in at least 10 steps."""
    pace = math.log(rates[-1] / rates[-2])
    steps = max(10, math.ceil(math.log(10) / pace))
    return sweep_rates(rates[-1], 10 * rates[-1], steps + 1, "exponential")[1:]


def _run(
    stepper: Stepper, workload: Workload, rates: list[float], *, curve: _Curve, rule: SweepStop, control: Control
) -> Verdict | None:
    """Take a step at every rate, until the rule ends it."""
    first = len(curve)
    ledger = Ledger(
        first_step=curve.first_step + first, most_steps=_BLOCK_STEPS, most_seconds=math.inf, ranks=workload.ranks
    )
    steps = range(first, first + len(rates))
    batches = workload.training.shuffled(
        workload.seed, augmentation=workload.augmentation, start=steps.start, stop=steps.stop
    )
    for step, rate, batch in zip(steps, rates, until_stopped(batches, control, workload.ranks), strict=True):
        # The rate is set before the step and noted with the loss of that very step.
        curve.look(stepper.network, step=step)
        loss, hits = stepper.step(batch, step=step, learning_rate=rate, momentum=None)
        ledger.add(loss, hits, learning_rate=rate, momentum=stepper.momentum)
        if ledger.is_due or step == steps[-1]:
            verdict = _settle(ledger, curve, rule=rule, control=control)
            if verdict is not None:
                return verdict
    return None


def _settle(ledger: Ledger, curve: _Curve, *, rule: SweepStop, control: Control) -> Verdict | None:
    """Bring a block home; steps after the one that ended the sweep are dropped."""
    block = ledger.take()
    ending = rule.look_at(block.loss)
    kept, verdict = ending if ending is not None else (len(block.loss), None)
    for column in (block.learning_rate, block.momentum, block.loss):
        del column[kept:]
    curve.learning_rate += block.learning_rate
    curve.loss += block.loss
    block.held_out_loss = curve.take_looks(kept)
    control.emit(block.event(_PHASE))
    return verdict
