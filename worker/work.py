"""What a training process does with its assignment, phase by phase."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.domain import catalog
from app.domain.schedules import build_schedule
from app.domain.specs import RangeTestSpec, TrainingSpec, parse_device_spec
from app.domain.specs.parts import Preprocessing
from worker.datasets.opening import OpenedDataset, open_dataset
from worker.engine.checkpoint import remove_checkpoints
from worker.engine.device import Resolution
from worker.engine.errors import DeviceOutOfMemory, EngineError, HostOutOfMemory, LrDiverged, Stopped
from worker.engine.events import EpochDone, Event, PhaseStarted, Progress, Rewound, StepsDone, Stop, Warned
from worker.engine.fitting import largest_fitting
from worker.engine.parallel import Ranks
from worker.engine.training import Trained, train
from worker.engine.weight_decay import Spec, open_decay, with_decay
from worker.engine.workload import Workload, prepare
from worker.max_lr import MaxLr
from worker.messages import Assignment, Finished, History, Line, Message, Settled
from worker.outputs import Outputs
from worker.ranks import NoOutputs, Silence, joined_ranks
from worker.search import Search, read_curves, swept_curves, tell_warnings


def run(assignment: Assignment, line: Line) -> Finished:
    """Do the job. Raises EngineError where it cannot be done and Stopped where it was asked to stop."""
    spec = parse_device_spec(assignment.spec)
    with joined_ranks(assignment) as ranks:
        work = Work(assignment, Recorder(line if ranks.leads else Silence(), assignment.history), ranks)
        return work.range_test(spec) if isinstance(spec, RangeTestSpec) else work.training(spec)


@dataclass
class Recorder:
    """Passes everything on, and keeps the columns that pictures are drawn from."""

    line: Line
    history: History

    def emit(self, event: Event) -> None:
        """Pass an event on."""
        if isinstance(event, StepsDone) and event.phase == "training":
            self._record_steps(event)
        elif isinstance(event, EpochDone):
            _extend(self.history.epochs, "epoch", event.epoch, {name: [value] for name, value in event.data().items()})
        elif isinstance(event, Rewound):  # always to the first step
            self.history.steps.clear()
            self.history.epochs.clear()
        self.line.emit(event)

    @property
    def steps_done(self) -> int:
        """Optimizer steps of the training so far."""
        steps: list[Any] = self.history.steps.get("step", [])
        return int(steps[-1]) + 1 if steps else 0

    def stop_requested(self) -> Stop | None:
        """Pass the question on."""
        return self.line.stop_requested()

    def send(self, message: Message) -> None:
        """Pass a message on."""
        self.line.send(message)

    def _record_steps(self, event: StepsDone) -> None:
        steps: list[Any] = list(range(event.first_step, event.first_step + len(event.loss)))
        columns = {"step": steps, "learning_rate": event.learning_rate, "momentum": event.momentum}
        _extend(self.history.steps, "step", event.first_step, columns | {"training_loss": event.loss})


def _extend(table: dict[str, list[Any]], index: str, first: int, columns: dict[str, list[Any]]) -> None:
    """Append rows; those from `first` on that an earlier attempt left are replaced."""
    kept = sum(1 for value in table.get(index, []) if value < first)
    for name, column in columns.items():
        table[name] = [*table.get(name, [])[:kept], *column]


class Work:
    """One assignment, with what its phases share."""

    def __init__(self, assignment: Assignment, line: Recorder, ranks: Ranks) -> None:
        self.assignment = assignment
        self.line = line
        self.ranks = ranks
        self.outputs = (Outputs if ranks.leads else NoOutputs)(assignment, line.send)

    def range_test(self, spec: RangeTestSpec) -> Finished:
        """Sweep, pick, draw."""
        workload = self._prepare(spec)
        return within_memory(workload, spec, lambda: self._range_test(workload, spec))

    def _range_test(self, workload: Workload, spec: RangeTestSpec) -> Finished:
        spec = self._with_decay(workload, spec)
        curves = swept_curves(workload, spec, self.line)
        suggestion = read_curves(curves, spec, hint="Lower start_lr: even the smallest rates of the sweep diverged.")
        tell_warnings(suggestion, self.line)
        self.outputs.draw_range_test(curves, suggestion, max_lr=suggestion.max_lr)
        return Finished(suggestion.model_dump(mode="json"))

    def training(self, spec: TrainingSpec) -> Finished:
        """Pick the learning rate if it is left open, train, evaluate, export."""
        workload = self._prepare(spec)
        return within_memory(workload, spec, lambda: self._training(workload, spec))

    def _training(self, workload: Workload, spec: TrainingSpec) -> Finished:
        trained, max_lr = self._train_within_bounds(workload, spec, self._max_lr(workload, spec))
        self.line.emit(PhaseStarted("exporting"))
        workload = self._with_batch_norm(workload, spec, trained)
        self._draw_training(workload, best_epoch=trained.best.epoch)
        if trained.confusion is not None:
            self.outputs.draw_confusion(trained.confusion, workload.classes)
        model = self.outputs.export(workload, spec, trained, dataset=self._opened)
        return Finished(_result(trained, search_steps=max_lr.search_steps), model)

    def _with_batch_norm(self, workload: Workload, spec: TrainingSpec, trained: Trained) -> Workload:
        """Where its momentum was to be picked: say what it is now, and show why."""
        if spec.batch_norm_momentum != "auto":
            return workload
        found = _NO_BATCH_NORM
        if trained.batch_norm is not None:
            found = Resolution(trained.batch_norm.picked.momentum, "validation", trained.batch_norm.reason)
            self.outputs.draw_batch_norm(trained.batch_norm)
        self.line.send(Settled("batch_norm_momentum", found.value, found.origin, found.reason))
        return replace(workload, resolved=workload.resolved | {"batch_norm_momentum": found})

    def _prepare(self, spec: RangeTestSpec | TrainingSpec) -> Workload:
        self.line.emit(PhaseStarted("preparing"))
        self._opened = self.ranks.after_the_first(lambda: self._open(spec))
        workload = prepare(
            spec,
            self._opened.dataset,
            fact=catalog.architectures()[spec.architecture.name],
            default_validation=self.assignment.default_validation,
            default_augmentation=self.assignment.default_augmentation,
            device=self.assignment.device,
            weights_dir=self.assignment.places.weights,
            settled=self.assignment.resolved,
            trials=self.assignment.places.cache.with_name("trials.json"),
            ranks=self.ranks,
        )
        self._tell_flip(spec)  # before what is resolved, so that an attempt that knows of that knows it was told
        self.line.send(Settled("dataset", self._opened.version, "content", "The version of the images trained on."))
        for name, resolution in workload.resolved.items():
            self.line.send(Settled(name, resolution.value, resolution.origin, resolution.reason))
        self._draw_noise_scale(workload)
        return workload

    def _draw_noise_scale(self, workload: Workload) -> None:
        """Where the batch size was chosen by it, and there is one."""
        noise = workload.resolved.get("noise_scale")
        if noise is not None and noise.value is not None:
            self.outputs.draw_noise_scale(noise.value, chosen=workload.resolved["batch_size"].value)

    def _open(self, spec: RangeTestSpec | TrainingSpec) -> OpenedDataset:
        return open_dataset(
            self.assignment.dataset,
            target_size=spec.crop_from or spec.image_size or self.assignment.default_image_size,
            cache_root=self.assignment.places.cache,
            on_progress=self._show_progress,
            resize=(spec.preprocessing or Preprocessing()).resize,
        )

    def _tell_flip(self, spec: RangeTestSpec | TrainingSpec) -> None:
        """Once for all attempts, each of which settles the data set; of folders nobody knows what their images mean."""
        source = self.assignment.dataset
        if source.kind != "built_in" or "dataset" in self.assignment.resolved:
            return
        detail = catalog.describe_flip(spec, catalog.datasets()[source.name])
        if detail is not None:
            self.line.emit(Warned("flip_changes_meaning", detail))

    def _show_progress(self, done: int, total: int) -> None:
        """Runs once per picture or so, so it is also where a cancelled preparation stops."""
        self.line.emit(Progress(done, total))
        stop = self.line.stop_requested()
        if stop is not None:
            raise Stopped(stop)

    def _max_lr(self, workload: Workload, spec: TrainingSpec) -> MaxLr:
        """The largest learning rate: the user's, an earlier attempt's, or what a search finds now."""
        if spec.schedule.max_lr != "auto":
            return MaxLr(spec.schedule.max_lr)
        known = MaxLr.of_resolved(self.assignment.resolved)
        if known is not None:
            return known
        return Search(workload, spec, line=self.line, outputs=self.outputs).run()

    def _train_within_bounds(self, workload: Workload, spec: TrainingSpec, max_lr: MaxLr) -> tuple[Trained, MaxLr]:
        """Train; where a rate that was picked diverges, begin again at a smaller one, at most twice."""
        resume = self.assignment.resume
        while True:
            try:
                decaying = self._with_decay(workload, spec, max_lr=max_lr.value)
                return self._train(workload, decaying, max_lr=max_lr.value, resume=resume), max_lr
            except LrDiverged as error:
                self._draw_training(workload, best_epoch=None)  # the curve shows where it went wrong
                if spec.schedule.max_lr != "auto":
                    raise
                max_lr, resume = self._lowered(max_lr, error), None

    def _with_decay(self, workload: Workload, spec: Spec, *, max_lr: float | None = None) -> Spec:
        """Settle the weight decay where it hangs on the rate."""
        prior = open_decay(workload, spec, max_lr=max_lr)
        if prior is not None:
            self.line.send(Settled("weight_decay", prior.weight_decay, "rule", prior.reason))
        return with_decay(workload, spec, max_lr=max_lr)

    def _lowered(self, max_lr: MaxLr, error: LrDiverged) -> MaxLr:
        lowered = max_lr.lowered(error, lost_steps=self.line.steps_done)
        # Before anybody hears of it: a worker that goes on from here must not find the diverged weights.
        if self.ranks.leads:
            remove_checkpoints(self.assignment.places.checkpoints)
        # And the event, which makes the row forget its checkpoint and the copies of it, before the rate.
        self.line.emit(Rewound(0, lowered.reason))
        lowered.settle(self.line.send)
        return lowered

    def _train(self, workload: Workload, spec: TrainingSpec, *, max_lr: float, resume: Path | None) -> Trained:
        return train(
            workload,
            spec,
            schedule=build_schedule(spec.schedule, max_lr=max_lr),
            control=self.line,
            folder=self.assignment.places.checkpoints,
            resume=resume,
            checkpoint_seconds=self.assignment.checkpoint_seconds,
        )

    def _draw_training(self, workload: Workload, *, best_epoch: int | None) -> None:
        self.outputs.draw_training(self.line.history, steps_per_epoch=workload.steps_per_epoch, best_epoch=best_epoch)


_NO_BATCH_NORM = Resolution(None, "architecture", "the network has no batch norm")


def within_memory(workload: Workload, spec: RangeTestSpec | TrainingSpec, work: Callable[[], Finished]) -> Finished:
    """Do the work; where memory runs out, say which batch size there is room for."""
    kind: type[EngineError]
    try:
        return work()
    except DeviceOutOfMemory as error:
        kind, detail = DeviceOutOfMemory, error.detail
    except MemoryError as error:
        kind, detail = HostOutOfMemory, str(error) or "An allocation failed."
    # Only here: what the failed work computed lived as long as its exception.
    fits = largest_fitting(workload, spec.optimizer)
    if fits is None:
        raise kind(detail, hint="Not even smaller batches fit: lower image_size, or choose a smaller architecture.")
    steps = math.ceil(workload.training.batch_size / workload.accumulation_steps / fits)
    more = f", with accumulation_steps {steps * spec.accumulation_steps} for the same optimizer steps"
    raise kind(detail, hint=f"There is room for batch_size {fits}{more}.")


def _result(trained: Trained, *, search_steps: int) -> dict[str, Any]:
    def scores(epoch: EpochDone) -> dict[str, Any]:
        names = ("epoch", "validation_accuracy", "validation_loss")
        return {name: getattr(epoch, name) for name in names}

    names = ("test_accuracy", "epochs_run", "stopped", "seconds", "images_per_second")
    facts = {name: getattr(trained, name) for name in names}
    batch_norm = {} if trained.batch_norm is None else {"batch_norm": trained.batch_norm.as_dict()}
    found = {"best": scores(trained.best), "last": scores(trained.last), **facts, "search_steps": search_steps}
    return found | batch_norm
