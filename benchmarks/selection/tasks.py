"""The tasks: small real data, nets with and without batch norm, three optimizers, 400 optimizer steps or more."""

import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from app.domain import catalog
from app.domain.specs import TrainingSpec, parse_spec
from benchmarks.peers.pictures import CIFAR10_ARCHIVE, mnist
from worker.engine.data import Dataset, Images
from worker.engine.workload import Workload, prepare

Collection = Literal["digits", "mnist", "cifar"]


@dataclass(frozen=True)
class Task:
    """A training whose best learning rate is sought; its name says data, net and optimizer."""

    name: str
    collection: Collection
    side: int
    images: int
    architecture: str | tuple[str, int]  #: with the width where the network has one
    optimizer: Literal["sgd", "adam", "adamw"]
    batch_size: int
    epochs: int
    fresh: bool = False  #: added when the rule was done, and never looked at before

    def spec(self, *, seed: int) -> TrainingSpec:
        """As a user would submit it."""
        name, width = (self.architecture, None) if isinstance(self.architecture, str) else self.architecture
        architecture: dict[str, Any] = {"name": name} | ({"width": width} if width else {})
        fields: dict[str, Any] = {"optimizer": self.optimizer, "batch_size": self.batch_size, "epochs": self.epochs}
        data = {"dataset": {"digits": "digits", "mnist": "MNIST", "cifar": "CIFAR10"}[self.collection]}
        spec = parse_spec(
            {"kind": "training", "architecture": architecture, "image_size": self.side, "seed": seed, **data, **fields}
            | {"validation": 0.1, "precision": "fp32"}
        )
        assert isinstance(spec, TrainingSpec)
        return spec

    def workload(self, *, seed: int) -> Workload:
        """As the service would prepare it; the images kept back for the truth are its test split."""
        spec = self.spec(seed=seed)
        fact = catalog.datasets()[spec.dataset.label]
        return prepare(
            spec,
            dataset_of(self),
            fact=catalog.architectures()[spec.architecture.name],
            default_validation=fact.validation,
            default_augmentation=fact.augmentation,
            device="cpu",
            weights_dir=Path(tempfile.gettempdir()),
        )

    @property
    def grid(self) -> list[float]:
        """The learning rates of the truth, a factor of two apart."""
        exponents = range(-9, 4) if self.optimizer == "sgd" else range(-15, -1)
        return [2.0**exponent for exponent in exponents]


TASKS = [
    Task("mnist-lenet-sgd", "mnist", 28, 4000, "lenet", "sgd", 64, 8),
    Task("mnist-lenet-adamw", "mnist", 28, 4000, "lenet", "adamw", 64, 8),
    Task("mnist-mlp-sgd", "mnist", 28, 4000, ("mlp", 128), "sgd", 64, 8),
    Task("mnist-resnet9-adam", "mnist", 14, 4000, ("resnet9", 8), "adam", 64, 8),
    Task("cifar-cnn3-sgd", "cifar", 16, 5000, "cnn3", "sgd", 64, 8),
    Task("cifar-cnn3-adamw", "cifar", 16, 5000, "cnn3", "adamw", 64, 8),
    Task("cifar-resnet9-sgd", "cifar", 16, 5000, ("resnet9", 8), "sgd", 64, 8),
    Task("cifar-resnet9-adamw", "cifar", 16, 5000, ("resnet9", 8), "adamw", 64, 8),
    Task("digits-mlp-sgd", "digits", 8, 1000, ("mlp", 128), "sgd", 32, 16),
    Task("digits-mlp-adamw", "digits", 8, 1000, ("mlp", 128), "adamw", 32, 16),
    Task("digits-resnet9-sgd", "digits", 8, 1000, ("resnet9", 8), "sgd", 32, 16),
    Task("digits-resnet20-sgd", "digits", 8, 1000, "resnet20", "sgd", 32, 16),
    Task("mnist-mlp-adamw", "mnist", 28, 4000, ("mlp", 128), "adamw", 64, 8),
    Task("mnist-resnet9-sgd", "mnist", 14, 4000, ("resnet9", 8), "sgd", 64, 8),
    Task("cifar-lenet-sgd", "cifar", 16, 5000, "lenet", "sgd", 64, 8),
    Task("digits-cnn3-adamw", "digits", 8, 1000, "cnn3", "adamw", 32, 16),
    Task("mnist-cnn3-sgd", "mnist", 14, 4000, "cnn3", "sgd", 64, 8),
    Task("cifar-mlp-sgd", "cifar", 16, 5000, ("mlp", 128), "sgd", 64, 8),
    Task("digits-mlp-adam", "digits", 8, 1000, ("mlp", 128), "adam", 32, 16),
    Task("digits-resnet9-adamw", "digits", 8, 1000, ("resnet9", 8), "adamw", 32, 16),
    Task("digits-resnet20-adamw", "digits", 8, 1000, "resnet20", "adamw", 32, 16),
    Task("mnist-mlp-adam", "mnist", 28, 4000, ("mlp", 128), "adam", 64, 8, fresh=True),
    Task("cifar-lenet-adamw", "cifar", 16, 5000, "lenet", "adamw", 64, 8, fresh=True),
    Task("digits-cnn3-sgd", "digits", 8, 1000, "cnn3", "sgd", 32, 16, fresh=True),
]
BY_NAME = {task.name: task for task in TASKS}


@cache
def dataset_of(task: Task) -> Dataset:
    """The task's images: the first of each class to train on, up to 4,000 others to judge by."""
    pixels, labels = _collection(task.collection)
    while pixels.shape[2] > task.side:
        pixels = _halved(pixels)
    order = np.random.default_rng(0).permutation(len(labels))
    train, held_back = order[: task.images], order[task.images : task.images + 4000]
    shares = pixels[train] / np.float32(255)
    mean, std = shares.mean(axis=(0, 2, 3)).tolist(), shares.std(axis=(0, 2, 3)).tolist()
    fact = catalog.datasets()[task.spec(seed=0).dataset.label]
    images = [Images(pixels[index], labels[index]) for index in (train, held_back)]
    return Dataset(fact.name, fact.classes, images[0], images[1], channel_mean=mean, channel_std=std)


def _halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    count, channels, height, width = pixels.shape
    blocks = pixels.reshape(count, channels, height // 2, 2, width // 2, 2)
    halved: NDArray[np.uint8] = blocks.mean(axis=(3, 5)).round().astype(np.uint8)
    return halved


@cache
def _collection(name: Collection) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    match name:
        case "digits":
            digits = load_digits()
            pixels = (digits.images * (255 / 16)).round().astype(np.uint8)[:, None]
            return pixels, digits.target.astype(np.int64)
        case "mnist":
            pixels, labels = mnist("train")
            return pixels[:10_000], labels[:10_000]
        case "cifar":
            return cifar_pictures(per_class=1000)


def cifar_pictures(*, per_class: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first training pictures of each class, decoded once and kept in the temporary folder."""
    kept = Path(tempfile.gettempdir()) / f"supercycle-cifar10-first-{per_class}.npz"
    if not kept.exists():
        pixels, labels = _decoded(per_class)
        np.savez(kept, pixels=pixels, labels=labels)
    content = np.load(kept)
    return content["pixels"], content["labels"]


def _decoded(per_class: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    classes = catalog.datasets()["CIFAR10"].classes
    found: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in classes}
    with tarfile.open(CIFAR10_ARCHIVE) as archive:
        for member in archive:
            split, _, rest = member.name.partition("/")
            name = rest.partition("/")[0]
            if split == "train" and member.name.endswith(".jpg") and len(found[name]) < per_class:
                picture = archive.extractfile(member)
                assert picture is not None
                found[name].append(np.asarray(Image.open(picture).convert("RGB")).transpose(2, 0, 1))
    pixels = np.stack([picture for name in classes for picture in found[name]])
    return pixels, np.repeat(np.arange(10), [len(found[name]) for name in classes])
