"""A training under a schedule, from the first step or from a checkpoint, to the best weights it found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from torch import Tensor, nn

from app.domain.batch_norm import Comparison
from app.domain.schedules import Schedule
from app.domain.specs.training import TrainingSpec
from worker.engine.batches import Batch, Batches
from worker.engine.checkpoint import Checkpoints, load_checkpoint
from worker.engine.determinism import determinism
from worker.engine.device import describe_platform, memory_errors
from worker.engine.divergence import TrainingGuard
from worker.engine.draws import preserved
from worker.engine.early_stopping import Patience
from worker.engine.ema import WeightAverage
from worker.engine.errors import CheckpointDamaged, LrDiverged, Stopped
from worker.engine.evaluation import MOST_COUNTED, Confusion, Score, evaluate, until_stopped
from worker.engine.events import Control, EpochDone, Logged, PhaseStarted, Stop, Warned
from worker.engine.finishing import Finish, begin_statistics
from worker.engine.loop import Ledger, Stepper
from worker.engine.optim import begin_momenta
from worker.engine.progress import WARM_UP_STEPS, Standing
from worker.engine.workload import Workload

_PHASE = "training"


@dataclass(frozen=True)
class Trained:
    """What came of a training; `network` carries the weights of the best epoch and is in evaluation mode.

    With `ema` they are the average's. With `exact_batch_norm`, `best` has the scores with the exact statistics, with a
    `batch_norm_momentum` that was picked those with its.
    """

    best: EpochDone
    last: EpochDone
    test_accuracy: float | None
    test_loss: float | None
    confusion: Confusion | None  #: of the test split, else of the validation images; None of too many classes
    epochs_run: int
    stopped: Literal["completed", "early_stopping"]
    seconds: float
    images_per_second: float | None
    network: nn.Module
    batch_norm: Comparison | None = None  #: where its momentum was to be picked, and there is any


def train(
    workload: Workload,
    spec: TrainingSpec,
    *,
    schedule: Schedule,
    control: Control,
    folder: Path,
    resume: Path | None,
    checkpoint_seconds: float = 60.0,
) -> Trained:
    """Train to the end of the schedule, or until patience runs out.

    Checkpoints go into `folder`; with `resume` it goes on from one of them, and ends with the same bits on a
    CPU in fp32. Raises LrDiverged (after its steps were emitted), Stopped, CheckpointDamaged, DeviceOutOfMemory.
    """
    with preserved(workload.device), memory_errors(), determinism(workload.deterministic):
        checkpoints = Checkpoints(folder, every_seconds=checkpoint_seconds)
        run = _Run(workload, spec, schedule=schedule, control=control, checkpoints=checkpoints)
        if resume is not None:
            run.restore(load_checkpoint(resume))
        return run.to_the_end()


class _Run:
    """The parts of one training, and the loop over its epochs."""

    def __init__(
        self,
        workload: Workload,
        spec: TrainingSpec,
        *,
        schedule: Schedule,
        control: Control,
        checkpoints: Checkpoints,
    ) -> None:
        self.workload, self.schedule, self.control, self.checkpoints = workload, schedule, control, checkpoints
        self.epochs, self.total = spec.epochs, spec.epochs * workload.steps_per_epoch
        self.spec = spec
        self.stepper = Stepper(workload, spec.optimizer)
        self.frozen_epochs = spec.freeze.epochs if spec.freeze else 0
        if self.frozen_epochs:
            begin_momenta(self.stepper.optimizer)
        self.average = WeightAverage(self.stepper.network, decay=spec.ema) if spec.ema else None
        self.shadows = begin_statistics(self.stepper, spec, updates=self.total * workload.accumulation_steps)
        self.guard = TrainingGuard(len(workload.classes))
        self.patience = Patience(spec.early_stopping, schedule, epochs=spec.epochs)
        self.standing = Standing.at_start()
        self.best_weights: dict[str, Tensor] = {}
        self.ledger = self._ledger(first_step=0)
        self.warm_up = WARM_UP_STEPS
        self.began = perf_counter()

    def _ledger(self, *, first_step: int) -> Ledger:
        return Ledger(first_step=first_step, ranks=self.workload.ranks)

    def to_the_end(self) -> Trained:
        self.control.emit(PhaseStarted(_PHASE, steps=self.total, epochs=self.epochs))
        try:
            while self.standing.epochs_done < self.epochs and not self.standing.stopped_early:
                self._train_epoch()
                self._close_epoch()
            return self._result()
        except Stopped as stop:
            self._settle()
            if stop.reason is Stop.YIELD:
                self._save()
            raise

    def _train_epoch(self) -> None:
        """The optimizer steps that are left of the present epoch."""
        self.stepper.freeze(is_frozen=self.standing.epochs_done < self.frozen_epochs)
        first, end = self.standing.step, (self.standing.epochs_done + 1) * self.workload.steps_per_epoch
        batches = self.workload.training.shuffled(
            self.workload.seed, augmentation=self.workload.augmentation, start=first, stop=end
        )
        self.ledger.restart_clock()
        for step, batch in enumerate(until_stopped(batches, self.control, self.workload.ranks), start=first):
            self._take_step(step, batch)
            if self.ledger.is_due or len(self.ledger) == self.warm_up:
                self._settle()
                if self.checkpoints.is_due:
                    self._save()
        self._settle()

    def _take_step(self, step: int, batch: Batch) -> None:
        rate, cycled = self.schedule.at(step, self.total)
        momentum = cycled if self.spec.cycles_momentum else None
        loss, hits = self.stepper.step(batch, step=step, learning_rate=rate, momentum=momentum)
        if self.average is not None:
            self.average.update(step=step)
        self.ledger.add(loss, hits, learning_rate=rate, momentum=self.stepper.momentum)
        self.standing.step = step + 1

    def _settle(self) -> None:
        """Bring the waiting steps home: show them, count them, look for divergence."""
        if not len(self.ledger):
            return
        block = self.ledger.take()
        self.standing.sums.add(block, timed=self.warm_up <= 0)
        self.warm_up -= len(block.loss)
        self.control.emit(block.event(_PHASE))
        if (trouble := self.guard.look_at(block.loss)) is not None:
            raise LrDiverged(f"Between steps {block.first_step} and {self.standing.step - 1}, {trouble}.")

    def _close_epoch(self) -> None:
        network = self.stepper.network if self.average is None else self.average.network
        if self.shadows is not None:
            self.shadows.show(network)
        epoch = self._summary(self._evaluated(network, self.workload.validation))
        improved = self.standing.close_epoch(epoch)
        if improved:
            self.best_weights = _copied(network)
            if self.shadows is not None:
                self.shadows.keep()
        self.standing.stopped_early = self.patience.ends_at(epoch.epoch, improved=improved)
        self.control.emit(epoch)
        if self.checkpoints.is_due_at_epoch_end:
            self._save()

    def _evaluated(self, network: nn.Module, batches: Batches, *, count_classes: int = 0) -> Score:
        shared: dict[str, Any] = {"precision": self.workload.precision, "ranks": self.workload.ranks}
        shared |= {"mirrored_too": self.spec.test_time_flip, "count_classes": count_classes}
        return evaluate(network, batches, control=self.control, **shared)

    def _summary(self, score: Score) -> EpochDone:
        sums, batch_size = self.standing.sums, self.workload.training.batch_size
        return EpochDone(
            epoch=self.standing.epochs_done + 1,
            train_loss=sums.loss / sums.steps,
            train_accuracy=sums.hits / (sums.steps * batch_size),
            validation_loss=score.loss,
            validation_accuracy=score.accuracy,
            seconds=self._elapsed() - sums.began_seconds,
            images_per_second=_speed(sums.timed_steps * batch_size, sums.timed_seconds),
        )

    def _elapsed(self) -> float:
        """Seconds of all attempts together."""
        return self.standing.seconds + perf_counter() - self.began

    def _result(self) -> Trained:
        standing, network = self.standing, self.stepper.network
        assert standing.best is not None  # noqa: S101 - there is at least one epoch
        assert standing.last is not None  # noqa: S101
        network.load_state_dict(self.best_weights)
        network.eval()
        self.control.emit(PhaseStarted("evaluating"))
        finish = Finish(self.workload, self.spec, control=self.control, shadows=self.shadows)
        best = finish.settle(network, standing.best, lambda: self._evaluated(network, self.workload.validation))
        test, confusion = self._final(network)
        return Trained(
            best=best,
            batch_norm=finish.comparison,
            last=standing.last,
            test_accuracy=test.accuracy if test else None,
            test_loss=test.loss if test else None,
            confusion=confusion,
            epochs_run=standing.epochs_done,
            stopped="early_stopping" if standing.stopped_early else "completed",
            seconds=self._elapsed(),
            images_per_second=_speed(standing.timed_steps * self.workload.training.batch_size, standing.timed_seconds),
            network=network,
        )

    def _final(self, network: nn.Module) -> tuple[Score | None, Confusion | None]:
        """The score on the test split, which is looked at here, once, and nowhere else; and what is taken for what."""
        test, classes = self.workload.test if self.spec.evaluate_test else None, len(self.workload.classes)
        images, count_classes = test or self.workload.validation, classes if classes <= MOST_COUNTED else 0
        score = self._evaluated(network, images, count_classes=count_classes)
        confusion = None if score.counts is None else Confusion("test" if test else "validation", score.counts)
        return score if test else None, confusion

    def _save(self) -> None:
        """Write a checkpoint, for all ranks; a full disk costs the checkpoint, not the training."""
        if not self.workload.ranks.leads:
            return
        standing = self.standing
        try:
            saved = self.checkpoints.save(self._state(), step=standing.step, best=self._is_at_best)
        except (OSError, RuntimeError) as error:  # torch says RuntimeError where its writer meets a full disk
            self.checkpoints.postpone()
            self.control.emit(Warned("checkpoint_skipped", f"No checkpoint at step {standing.step}: {error}"))
        else:
            self.control.emit(saved)
        self.ledger.restart_clock()

    @property
    def _is_at_best(self) -> bool:
        """Whether the weights are now those of the best epoch's end."""
        best = self.standing.best
        return best is not None and self.standing.step == best.epoch * self.workload.steps_per_epoch

    def _state(self) -> dict[str, Any]:
        standing = self.standing.plain() | {"seconds": self._elapsed()}
        return {
            "total": self.total,
            "platform": describe_platform(self.workload.device),
            "network": self.stepper.network.state_dict(),
            "optimizer": self.stepper.optimizer.state_dict(),
            "scaler": self.stepper.scaler.state_dict(),
            "average": self.average.state() if self.average is not None else None,
            "statistics": self.shadows.state() if self.shadows is not None else None,
            "best_weights": self.best_weights,
            "standing": standing,
            "guard": self.guard.state(),
            "waited": self.patience.waited,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint of the same job."""
        if state["total"] != self.total:
            raise CheckpointDamaged(f"It belongs to a training of {state['total']} steps, not {self.total}")
        try:
            self.stepper.network.load_state_dict(state["network"])
            self.stepper.optimizer.load_state_dict(state["optimizer"])
            if self.average is not None:
                self.average.restore(state["average"])
            if self.shadows is not None:
                self.shadows.restore(state["statistics"])
        except (RuntimeError, ValueError) as error:
            raise CheckpointDamaged(f"It belongs to another network or optimizer: {error}") from error
        self.stepper.scaler.load_state_dict(state["scaler"])
        self.best_weights = state["best_weights"]
        self.standing = Standing.from_plain(state["standing"])
        self.guard.restore(state["guard"])
        self.patience.waited = state["waited"]
        self.ledger = self._ledger(first_step=self.standing.step)
        self.control.emit(Logged("info", self._resumed(state["platform"])))

    def _resumed(self, before: dict[str, str]) -> str:
        now = describe_platform(self.workload.device)
        changed = [f"{name} {before.get(name)} → {now[name]}" for name in now if before.get(name) != now[name]]
        how = f"not bit for bit, since {', '.join(changed)}" if changed else "on the same platform"
        return f"Resumed at step {self.standing.step} of {self.total}, {how}."


def _copied(network: nn.Module) -> dict[str, Tensor]:
    """The weights as they are now, in host memory."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}


def _speed(images: int, seconds: float) -> float | None:
    return images / seconds if seconds > 0 else None
