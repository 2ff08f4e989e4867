"""What a training process does with its assignment, phase by phase."""

from dataclasses import dataclass
from typing import Any, Protocol

from app.domain import catalog
from app.domain.schedules import build_schedule
from app.domain.specs import RangeTestSpec, TrainingSpec, parse_spec
from app.domain.suggestion import Suggestion, suggest_learning_rate
from worker.datasets.opening import OpenedDataset, open_dataset
from worker.engine.errors import LrDiverged, Stopped
from worker.engine.events import Control, EpochDone, Event, PhaseStarted, Progress, StepsDone, Stop, Warned
from worker.engine.range_test import Sweep, sweep
from worker.engine.training import Trained, train
from worker.engine.workload import Workload, prepare
from worker.messages import Assignment, Finished, History, Message, Settled
from worker.outputs import Outputs


class Line(Control, Protocol):
    """The engine's control, which also takes messages for the supervisor."""

    def send(self, message: Message) -> None:
        """Say something to the supervisor."""


def run(assignment: Assignment, line: Line) -> Finished:
    """Do the job. Raises EngineError where it cannot be done and Stopped where it was asked to stop."""
    spec = parse_spec(assignment.spec)
    work = Work(assignment, Recorder(line, assignment.history))
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
        self.line.emit(event)

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

    def __init__(self, assignment: Assignment, line: Recorder) -> None:
        self.assignment = assignment
        self.line = line
        self.outputs = Outputs(assignment, line.send)

    def range_test(self, spec: RangeTestSpec) -> Finished:
        """Sweep, pick, draw."""
        workload = self._prepare(spec)
        suggestion = self._sweep(workload, spec)
        return Finished(suggestion.model_dump(mode="json"))

    def training(self, spec: TrainingSpec) -> Finished:
        """Pick the learning rate if it is left open, train, evaluate, export."""
        workload = self._prepare(spec)
        max_lr, search_steps = self._max_lr(workload, spec)
        trained = self._train(workload, spec, max_lr=max_lr)
        self.line.emit(PhaseStarted("exporting"))
        self._draw_training(workload, best_epoch=trained.best.epoch)
        model = self.outputs.export(workload, spec, trained, dataset=self._opened)
        return Finished(_result(trained, search_steps=search_steps), model)

    def _prepare(self, spec: RangeTestSpec | TrainingSpec) -> Workload:
        self.line.emit(PhaseStarted("preparing"))
        self._opened = self._open(spec)
        workload = prepare(
            spec,
            self._opened.dataset,
            fact=catalog.architectures()[spec.architecture.name],
            default_validation=self.assignment.default_validation,
            default_augmentation=self.assignment.default_augmentation,
            device=self.assignment.device,
            weights_dir=self.assignment.places.weights,
        )
        self.line.send(Settled("dataset", self._opened.version, "content", "The version of the images trained on."))
        for name, resolution in workload.resolved.items():
            self.line.send(Settled(name, resolution.value, resolution.origin, resolution.reason))
        return workload

    def _open(self, spec: RangeTestSpec | TrainingSpec) -> OpenedDataset:
        return open_dataset(
            self.assignment.dataset,
            target_size=spec.image_size or self.assignment.default_image_size,
            cache_root=self.assignment.places.cache,
            on_progress=self._show_progress,
        )

    def _show_progress(self, done: int, total: int) -> None:
        """Runs once per picture or so, so it is also where a cancelled preparation stops."""
        self.line.emit(Progress(done, total))
        stop = self.line.stop_requested()
        if stop is not None:
            raise Stopped(stop)

    def _sweep(self, workload: Workload, spec: RangeTestSpec) -> Suggestion:
        swept = sweep(workload, spec, self.line)
        suggestion = _suggest(swept, spec)
        for code in suggestion.warnings:
            self.line.emit(Warned(code, suggestion.explain_warning(code)))
        self.outputs.draw_range_test(swept, suggestion)
        self._search_steps = len(swept.loss)
        return suggestion

    def _max_lr(self, workload: Workload, spec: TrainingSpec) -> tuple[float, int]:
        """The largest learning rate, and the optimizer steps it took to find it."""
        if spec.schedule.max_lr != "auto":
            return spec.schedule.max_lr, 0
        known = self.assignment.resolved
        if "max_lr" in known:  # an earlier attempt found it
            return float(known["max_lr"]["value"]), int(known["search_steps"]["value"])
        suggestion = self._sweep(workload, spec.range_test())
        steps = self._search_steps
        self.line.send(Settled("search_steps", steps, "range_test", "Optimizer steps spent on picking max_lr."))
        # Last: its presence tells the next attempt that the search is over.
        self.line.send(Settled("max_lr", suggestion.max_lr, "range_test", suggestion.reason))
        return suggestion.max_lr, steps

    def _train(self, workload: Workload, spec: TrainingSpec, *, max_lr: float) -> Trained:
        try:
            return train(
                workload,
                spec,
                schedule=build_schedule(spec.schedule, max_lr=max_lr),
                control=self.line,
                folder=self.assignment.places.checkpoints,
                resume=self.assignment.resume,
                checkpoint_seconds=self.assignment.checkpoint_seconds,
            )
        except LrDiverged:
            self._draw_training(workload, best_epoch=None)  # the curve shows where it went wrong
            raise

    def _draw_training(self, workload: Workload, *, best_epoch: int | None) -> None:
        self.outputs.draw_training(self.line.history, steps_per_epoch=workload.steps_per_epoch, best_epoch=best_epoch)


def _suggest(swept: Sweep, spec: RangeTestSpec) -> Suggestion:
    rates, losses = swept.learning_rate.tolist(), swept.loss.tolist()
    optimizer = spec.optimizer.name
    try:
        return suggest_learning_rate(rates, losses, optimizer=optimizer, stopped=swept.stopped, extended=swept.extended)
    except ValueError as error:
        hint = "Lower start_lr: even the smallest learning rates of the sweep diverged."
        raise LrDiverged(f"The range test gives no curve to read: {error}", hint=hint) from error


def _result(trained: Trained, *, search_steps: int) -> dict[str, Any]:
    def scores(epoch: EpochDone) -> dict[str, Any]:
        names = ("epoch", "validation_accuracy", "validation_loss")
        return {name: getattr(epoch, name) for name in names}

    names = ("test_accuracy", "epochs_run", "stopped", "seconds", "images_per_second")
    facts = {name: getattr(trained, name) for name in names}
    return {"best": scores(trained.best), "last": scores(trained.last), **facts, "search_steps": search_steps}
