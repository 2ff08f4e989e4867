"""Short complete cycles of fresh networks: what a sweep, which shows each rate only for a moment, cannot tell."""

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from app.domain.schedules import Schedule
from app.domain.specs.training import TrainingSpec
from worker.engine.batch_norm import plain_batches, recompute_statistics
from worker.engine.determinism import determinism
from worker.engine.device import memory_errors
from worker.engine.divergence import TrainingGuard
from worker.engine.draws import preserved
from worker.engine.evaluation import evaluate, until_stopped
from worker.engine.events import Control
from worker.engine.loop import Ledger, Stepper
from worker.engine.workload import Workload

PHASE = "verifying"
_BLOCK_STEPS = 20
_JUDGED_IMAGES = 2048


@dataclass(frozen=True)
class Cycle:
    """The raw training loss of every step, shorter than asked where it diverged, and the network at its end."""

    loss: list[float]
    diverged: bool
    network: nn.Module


def run_cycle(
    workload: Workload, spec: TrainingSpec, *, schedule: Schedule, steps: int, control: Control, first_step: int = 0
) -> Cycle:
    """Train a fresh network for `steps` optimizer steps, the whole schedule squeezed into them.

    Emits its steps, counted from `first_step`; leaves torch's global generators as they were. Raises Stopped.
    """
    losses: list[float] = []
    guard = TrainingGuard(len(workload.classes))
    ledger = Ledger(first_step=first_step, most_steps=_BLOCK_STEPS, most_seconds=math.inf, ranks=workload.ranks)
    with preserved(workload.device), memory_errors(), determinism(workload.deterministic):
        stepper = Stepper(workload, spec.optimizer)
        batches = workload.training.shuffled(workload.seed, augmentation=workload.augmentation, stop=steps)
        for step, batch in enumerate(until_stopped(batches, control, workload.ranks)):
            rate, cycled = schedule.at(step, steps)
            momentum = cycled if spec.cycles_momentum else None
            loss, hits = stepper.step(batch, step=step, learning_rate=rate, momentum=momentum)
            ledger.add(loss, hits, learning_rate=rate, momentum=stepper.momentum)
            if ledger.is_due or step == steps - 1:
                block = ledger.take()
                control.emit(block.event(PHASE))
                losses += block.loss
                if guard.look_at(block.loss) is not None:
                    return Cycle(losses, diverged=True, network=stepper.network)
    return Cycle(losses, diverged=False, network=stepper.network)


def judge(workload: Workload, cycle: Cycle, *, control: Control) -> float | None:
    """The loss a cycle ends with, on training images that it has not seen as far as there are any; None if diverged.

    Neither validation nor test images are looked at. Batch-norm statistics are exact: after a few steps at a large
    rate the running ones lag so far behind that the largest good rates look bad.
    """
    if cycle.diverged:
        return None
    images = workload.training.last_of_first_epoch(workload.seed, count=_JUDGED_IMAGES)
    with memory_errors(), determinism(workload.deterministic):
        shared: dict[str, Any] = {"precision": workload.precision, "ranks": workload.ranks}
        recompute_statistics(cycle.network, plain_batches(workload), **shared)
        loss = evaluate(cycle.network, images, control=control, **shared).loss
    return loss if math.isfinite(loss) else None
