"""Seconds to 97 % on MNIST and to 75 % on CIFAR-10, beside fastai: `python benchmarks/time_to_accuracy.py`.

Both train the same network, each with its own one-cycle and its own search for the largest learning rate, which
counts, as does reading the pictures. Each gets the shortest cycle that takes it there, of the same few lengths.
Ours runs as a job does (`max_lr: "auto"`, `precision: "auto"`), only without the queue; fastai runs with its
defaults from a folder of the same pictures. Accuracy is that on the test split after each epoch. Neither counts
its imports.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain import catalog
from app.domain.specs import Augmentation, TrainingSpec, parse_spec
from benchmarks.peers.asking_fastai import MissingError, ask_fastai
from benchmarks.peers.pictures import SHARED, Split, cifar10_files, decoded, mnist, mnist_files
from worker.datasets.opening import OpenedDataset
from worker.datasets.source import DatasetSource
from worker.engine.data import Dataset, Images
from worker.engine.device import choose_device
from worker.engine.events import EpochDone, Event, Stop
from worker.engine.parallel import ALONE
from worker.engine.trials import device_name
from worker.messages import Assignment, History, Message, Places, Settled
from worker.work import Recorder, Work

EVERY_PICTURE = 50_000


@dataclass(frozen=True)
class Task:
    """What is to be learnt, how well, and from where."""

    dataset: str
    target: float
    epochs: tuple[int, ...]  #: the lengths of cycle that are tried, until one arrives
    architecture: dict[str, Any]
    augmentation: Augmentation
    read: Callable[[str], Split]
    files: Callable[[str], Path]
    batch: int = 128


TASKS = {
    "mnist": Task("MNIST", 0.97, (1, 2, 4), {"name": "lenet"}, Augmentation(), mnist, mnist_files),
    "cifar10": Task(
        "CIFAR10",
        0.75,
        (3, 5, 8),
        {"name": "resnet9", "width": 16},
        Augmentation(crop=4, flip=True),
        lambda split: decoded(cifar10_files(split, EVERY_PICTURE)),
        lambda split: cifar10_files(split, EVERY_PICTURE),
        batch=256,
    ),
}


@dataclass
class Watch:
    """A line to nobody, which notes when each epoch was done and what was settled."""

    began: float = field(default_factory=perf_counter)
    epochs: list[tuple[float, float]] = field(default_factory=list)
    settled: dict[str, Settled] = field(default_factory=dict)

    def emit(self, event: Event) -> None:
        """Note epochs."""
        if isinstance(event, EpochDone):
            self.epochs.append((perf_counter() - self.began, event.validation_accuracy))

    def stop_requested(self) -> Stop | None:
        """Never."""
        return None

    def send(self, message: Message) -> None:
        """Note what was settled."""
        if isinstance(message, Settled):
            self.settled[message.name] = message


class BenchmarkWork(Work):
    """A job's work on pictures that are read here."""

    task: Task

    def _open(self, _spec: object) -> OpenedDataset:
        train, test = self.task.read("train"), self.task.read("test")
        shares = train[0] / np.float32(255)
        mean, std = shares.mean(axis=(0, 2, 3)).tolist(), shares.std(axis=(0, 2, 3)).tolist()
        classes = catalog.datasets()[self.task.dataset].classes
        dataset = Dataset(self.task.dataset, classes, Images(*train), Images(*test), channel_mean=mean, channel_std=std)
        return OpenedDataset(dataset, "benchmark")


def ours(task: Task, asked: argparse.Namespace, *, epochs: int) -> dict[str, Any]:
    """Seconds from nothing but files to the accuracy."""
    fields = {"dataset": task.dataset, "architecture": task.architecture, "batch_size": task.batch}
    more = {"epochs": epochs, "augmentation": task.augmentation.model_dump()}
    spec = parse_spec({"kind": "training", "validation": "test", **fields, **more})
    assert isinstance(spec, TrainingSpec)
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch()
        assignment = _assignment(task, spec, Path(folder), device=asked.device)
        work = BenchmarkWork(assignment, Recorder(watch, History()), ALONE)
        work.task = task
        work.training(spec)
    reached = [seconds for seconds, accuracy in watch.epochs if accuracy >= task.target]
    return {
        "seconds": reached[0] if reached else None,
        "accuracies": [accuracy for _, accuracy in watch.epochs],
        "max_lr": watch.settled["max_lr"].value,
        "precision": watch.settled["precision"].reason,
        "compile": watch.settled["compile"].reason,
    }


def _assignment(task: Task, spec: TrainingSpec, folder: Path, *, device: str) -> Assignment:
    names = ("attempt", "checkpoints", "cache", "weights")
    for name in names:
        (folder / name).mkdir()
    fact = catalog.datasets()[task.dataset]
    return Assignment(
        job_id="job_benchmark",
        title="Benchmark",
        spec=spec.model_dump(mode="json"),
        dataset=DatasetSource("built_in", task.dataset, folder),
        dataset_id="ds_benchmark",
        default_image_size=fact.size,
        default_validation=fact.validation,
        default_augmentation=fact.augmentation,
        device=device,
        places=Places(*(folder / name for name in names)),
        checkpoint_seconds=3600,
    )


def fastai(task: Task, asked: argparse.Namespace, *, epochs: int) -> dict[str, Any]:
    """The same of fastai, which also begins at files."""
    task.files("train")
    root, device = task.files("test").parent, str(choose_device(asked.device))
    about: dict[str, Any] = {"architecture": task.architecture, "augmentation": task.augmentation}
    asked_for = {"epochs": epochs, "target": task.target, "batch": task.batch, "threads": asked.threads}
    try:
        return ask_fastai(asked.peers_python, root, task.read("train")[0], **about, **asked_for, device=device)
    except MissingError as error:
        return {"missing": str(error)}


def shortest(train: Callable[..., dict[str, Any]], task: Task, asked: argparse.Namespace) -> dict[str, Any]:
    """What came of the first length of cycle that arrived, or of the longest."""
    for epochs in asked.epochs or task.epochs:
        facts = train(task, asked, epochs=epochs)
        if "missing" in facts or facts["seconds"] is not None:
            break
    return facts


def describe(who: str, facts: dict[str, Any]) -> str:
    """One line."""
    if "missing" in facts:
        return f"  NOT THERE: {who} ({facts['missing']})"
    seconds = f"{facts['seconds']:.1f} s" if facts["seconds"] is not None else "not reached"
    accuracies = " ".join(f"{accuracy:.4f}" for accuracy in facts["accuracies"])
    more = "; ".join(str(facts[name]) for name in ("precision", "compile", "version") if name in facts)
    return f"  {who}: {seconds}; accuracy by epoch {accuracies}; max_lr {facts['max_lr']:.3g}; {more}"


def main() -> None:
    """Both, in turn, so many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, nargs="+", help="lengths to try, instead of the task's own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peers-python", default=sys.executable, help="the interpreter that has fastai")
    asked = parser.parse_args()
    if not SHARED.is_dir():
        parser.exit(0, f"SKIPPED: {SHARED.resolve()} is not there\n")
    torch.set_num_threads(asked.threads)
    where = device_name(choose_device(asked.device))
    print(f"{where}, {asked.threads} threads, torch {torch.__version__}, Python {platform.python_version()}")
    for name in asked.tasks:
        task = TASKS[name]
        print(
            f"{name} to {task.target:.0%}, {task.architecture}, in one of {asked.epochs or task.epochs} epochs",
            flush=True,
        )
        for _ in range(asked.rounds):
            print(describe("Supercycle", shortest(ours, task, asked)), flush=True)
            print(describe("fastai", shortest(fastai, task, asked)), flush=True)


if __name__ == "__main__":
    main()
