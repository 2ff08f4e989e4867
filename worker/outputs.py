"""The files a job leaves: pictures, weights and the config to use them. Written into the attempt's folder."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save

from app.domain.batch_norm import Comparison
from app.domain.catalog import architectures
from app.domain.repeats import Curve
from app.domain.specs import TrainingSpec
from app.domain.specs.parts import Preprocessing
from app.domain.suggestion import Suggestion
from app.domain.verification import Trial
from worker.datasets.opening import OpenedDataset
from worker.engine.evaluation import Confusion
from worker.engine.training import Trained
from worker.engine.workload import Workload
from worker.messages import Assignment, FileMade, History, Message, ModelMade
from worker.plots import (
    EpochCurve,
    plot_accuracy,
    plot_batch_norm,
    plot_confusion,
    plot_learning_rate,
    plot_loss,
    plot_noise_scale,
    plot_range_test,
    plot_verification,
)

MEDIA_TYPES = {
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".safetensors": "application/octet-stream",
}


class Outputs:
    """Writes files and says that they are there."""

    def __init__(self, assignment: Assignment, send: Callable[[Message], None]) -> None:
        self._assignment = assignment
        self._folder = assignment.places.attempt
        self._send = send

    def draw_range_test(self, curves: Sequence[Curve], suggestion: Suggestion, *, max_lr: float) -> None:
        """The sweeps with their landmarks and the pick."""
        picture = self._picture("range_test", "Range test")
        self._announce(plot_range_test(curves, suggestion, max_lr=max_lr, **picture))

    def draw_verification(self, trials: Sequence[Trial], *, max_lr: float) -> None:
        """The short cycles by which max_lr was verified."""
        picture = self._picture("verification", "Short cycles")
        self._announce(plot_verification(trials, max_lr=max_lr, **picture))

    def draw_batch_norm(self, comparison: Comparison) -> None:
        """The momenta among which the batch norm's was picked."""
        self._announce(plot_batch_norm(comparison, **self._picture("batch_norm", "Batch-norm momentum")))

    def draw_noise_scale(self, noise: float, *, chosen: int) -> None:
        """What larger batches would gain and lose, where the batch size was chosen by that."""
        self._announce(plot_noise_scale(noise, chosen=chosen, **self._picture("noise_scale", "Batch size")))

    def draw_training(self, history: History, *, steps_per_epoch: int, best_epoch: int | None) -> None:
        """Learning rate and momentum, loss, accuracy. A training that broke off early has no accuracy to show."""
        steps, epochs = _numbers(history.steps), _numbers(history.epochs)
        if not steps:
            return
        momenta = None if len(set(steps["momentum"])) == 1 else steps["momentum"]
        rates = self._picture("learning_rate", "Learning rate")
        self._announce(plot_learning_rate(_whole(steps["step"]), steps["learning_rate"], momenta=momenta, **rates))
        if any(math.isfinite(loss) for loss in steps["training_loss"]):
            sizes: dict[str, Any] = {"epochs": _epochs(epochs, "loss"), "steps_per_epoch": steps_per_epoch}
            loss = self._picture("loss", "Loss")
            self._announce(plot_loss(_whole(steps["step"]), steps["training_loss"], **sizes, **loss))
        if epochs:
            accuracy = self._picture("accuracy", "Accuracy")
            self._announce(plot_accuracy(_epochs(epochs, "accuracy"), best_epoch=best_epoch, **accuracy))

    def draw_confusion(self, confusion: Confusion, classes: Sequence[str]) -> None:
        """Which class was taken for which, as numbers and as a picture."""
        numbers = self._folder / "confusion_matrix.json"
        numbers.write_text(json.dumps(describe_confusion(confusion, classes)) + "\n", "utf-8")
        picture = self._picture("confusion_matrix", "Confusion matrix")
        pictures = plot_confusion(confusion.counts.numpy(), classes, split=confusion.split, **picture)
        self._announce([numbers, *pictures])

    def export(self, workload: Workload, spec: TrainingSpec, trained: Trained, *, dataset: OpenedDataset) -> ModelMade:
        """The best weights, and what is needed to use them."""
        facts = self._facts(workload, spec, trained, dataset=dataset)
        weights = self._folder / "weights.safetensors"
        tensors = {name: value.detach().cpu().contiguous() for name, value in trained.network.state_dict().items()}
        # Not with its `save_file`, whose error on a full disk is no OSError.
        weights.write_bytes(save(tensors, metadata={"format": "pt"}))
        config = self._folder / "config.json"
        described = facts | {"resolved": _values(workload), "spec": spec.model_dump(mode="json")}
        config.write_text(json.dumps(described, indent=2, sort_keys=True) + "\n", "utf-8")
        return ModelMade(facts, [_describe(weights), _describe(config)])

    def _facts(
        self, workload: Workload, spec: TrainingSpec, trained: Trained, *, dataset: OpenedDataset
    ) -> dict[str, Any]:
        form, options = workload.form, architectures()[spec.architecture.name].options
        defaults = {name: option.default for name, option in options.items()}
        source = {"id": self._assignment.dataset_id, "name": dataset.dataset.name, "version": dataset.version}
        window: dict[str, Any] = {} if form.crop_from is None else {"crop": form.side}
        window |= {"resize_policy": (spec.preprocessing or Preprocessing()).resize}
        accuracy = {"validation_accuracy": trained.best.validation_accuracy, "test_accuracy": trained.test_accuracy}
        return {
            "name": f"{spec.architecture.name} on {dataset.dataset.name}",
            "architecture": {"name": spec.architecture.name} | defaults | spec.architecture.options,
            "parameters": sum(parameter.numel() for parameter in trained.network.parameters()),
            "image_size": form.side,
            "channels": form.channels,
            "classes": dataset.dataset.classes,
            "preprocessing": {"mean": form.mean, "std": form.std, "resize": form.crop_from or form.side} | window,
            "dataset": source,
            "metrics": accuracy,
            "epoch": trained.best.epoch,
        }

    def _picture(self, name: str, title: str) -> dict[str, Any]:
        return {"path_stem": self._folder / name, "title": f"{title}: {self._assignment.title}"}

    def _announce(self, paths: list[Path]) -> None:
        for path in paths:
            self._send(_describe(path))


def describe_confusion(confusion: Confusion, classes: Sequence[str]) -> dict[str, Any]:
    """Counts, rows for what an image is and columns for what it was taken for, and what follows for each class.

    Recall is the share of a class's images that were recognised, precision the share of right answers among those that
    named it; null where there are none.
    """
    counts = confusion.counts
    right, images, named = counts.diag().tolist(), counts.sum(1).tolist(), counts.sum(0).tolist()
    per_class = [
        {"name": name, "images": images[at], "recall": _share(right[at], images[at]),
         "precision": _share(right[at], named[at])}
        for at, name in enumerate(classes)
    ]  # fmt: skip
    return {"split": confusion.split, "classes": list(classes), "counts": counts.tolist(), "per_class": per_class}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _describe(path: Path) -> FileMade:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileMade(path.name, path, path.stat().st_size, digest, MEDIA_TYPES[path.suffix])


def _values(workload: Workload) -> dict[str, Any]:
    return {name: resolution.value for name, resolution in workload.resolved.items()}


def _numbers(table: dict[str, list[Any]]) -> dict[str, list[float]]:
    """Columns from the history, in which what was not finite is null."""
    return {name: [float("nan") if value is None else value for value in column] for name, column in table.items()}


def _whole(column: list[float]) -> list[int]:
    return [int(value) for value in column]


def _epochs(epochs: dict[str, list[float]], what: str) -> EpochCurve:
    if not epochs:
        return EpochCurve([], [], [])
    return EpochCurve(_whole(epochs["epoch"]), epochs[f"train_{what}"], epochs[f"validation_{what}"])
