"""The tasks of the benchmarks of comparisons and tunings: a network, its pictures, and how long it trains."""

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.pictures import CIFAR10_ARCHIVE, SHARED, cifar10, cifar10_files, mnist, mnist_files
from benchmarks.service_figures.serving import Service, wait_until

CIFAR_TRAIN, CIFAR_TEST = 10_000, 5_000
HELD_OUT = 0.1  #: of the training images, by default

Job = dict[str, Any]


@dataclass(frozen=True)
class Pictures:
    """Real pictures with a test split, for a service and for whoever reads folders."""

    needs: Path
    put: Callable[[Service, Path], None]
    files: Callable[[str], Path]  #: the folder of a split, with one for each class
    read: Callable[[], Any]  #: the training split as arrays


@dataclass(frozen=True)
class Task:
    """A comparison as somebody would submit it; what it leaves out has the service's defaults."""

    body: Job
    pictures: Pictures | None = None  #: None of what the service brings along

    @property
    def missing(self) -> Path | None:
        """What it needs and is not there."""
        return None if self.pictures is None or self.pictures.needs.exists() else self.pictures.needs

    def put(self, service: Service, place: Path) -> None:
        """Bring the pictures into a service whose files are below `place`."""
        if self.pictures is not None:
            self.pictures.put(service, place)


def put_mnist(_: Service, place: Path) -> None:
    """Where a worker looks for it before it would download it."""
    raw = place / "data" / "datasets" / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for path in SHARED.glob("*-ubyte.gz"):
        shutil.copy(path, raw / path.name)


def put_cifar(service: Service, place: Path) -> None:
    """Upload an archive of some of the pictures, once."""
    name = "cifar10-part"
    if service.http.get(f"/v1/datasets/{name}").is_success:
        return
    archive = place / f"{name}.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for split in ("train", "test"):
            folder = cifar_files(split)
            for path in sorted(folder.rglob("*.jpg")):
                packed.write(path, f"{split}/{path.relative_to(folder)}")
    with archive.open("rb") as file:
        answer = service.http.post("/v1/datasets", data={"name": name}, files={"file": (archive.name, file)})
    answer.raise_for_status()
    wait_until(lambda: _is_ready(service, name), what="for the check", patience_seconds=600)


def cifar_files(split: str) -> Path:
    """So many of each class."""
    return cifar10_files(split, {"train": CIFAR_TRAIN, "test": CIFAR_TEST}[split])


def _is_ready(service: Service, name: str) -> bool:
    return bool(service.http.get(f"/v1/datasets/{name}").json()["state"] == "ready")


MNIST = Pictures(SHARED / "train-images-idx3-ubyte.gz", put_mnist, mnist_files, lambda: mnist("train")[0])
CIFAR = Pictures(CIFAR10_ARCHIVE, put_cifar, cifar_files, lambda: cifar10("train", CIFAR_TRAIN)[0])

SMALL_RESNET = {"name": "resnet9", "width": 8}
PLAIN = {"precision": "fp32", "compile": "off"}
ADAMW = {
    "one_cycle_adamw": {"optimizer": {"name": "adamw"}}
}  # fastai's default optimizer is Adam with decay of its own
OF_CIFAR = {"dataset": "cifar10-part", "augmentation": {"crop": 4, "flip": True}, "epochs": 16}
OF_MNIST: Job = {"dataset": "MNIST", "architecture": "lenet", "batch_size": 512, "augmentation": {}}
PUBLISHED: Job = {"epochs": 85, "fractions": [0.142], "arms": dict.fromkeys(("cosine", "constant", "step"))}
TASKS = {
    "digits-resnet9": Task(PLAIN | {"dataset": "digits", "architecture": SMALL_RESNET, "epochs": 160}),
    "mnist-lenet": Task(PLAIN | OF_MNIST | {"epochs": 16}, MNIST),
    "mnist-lenet-85": Task(PLAIN | OF_MNIST | PUBLISHED, MNIST),  # beside 21 and 12, as the literature has it
    "cifar-resnet9": Task(PLAIN | OF_CIFAR | {"architecture": SMALL_RESNET, "arms": ADAMW}, CIFAR),
    "cifar-cnn3": Task(
        PLAIN | OF_CIFAR | {"architecture": "cnn3", "epochs": 8, "arms": dict.fromkeys(("cosine", "constant", "step"))},
        CIFAR,
    ),
}
