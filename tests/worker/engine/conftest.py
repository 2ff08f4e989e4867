"""Small images, a control that remembers, and one torch thread so that other work beside the tests slows nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from app.domain import catalog
from app.domain.specs import parse_spec
from app.domain.specs.parts import Augmentation
from worker.engine.data import Dataset, Images
from worker.engine.events import EpochDone, Event, StepsDone, Stop
from worker.engine.workload import prepare


class RecordingControl:
    """Remembers every event; asks for `stop` when it was asked for the `at`-th time."""

    def __init__(self, stop: Stop | None = None, *, at: int = 0) -> None:
        self.events: list[Event] = []
        self.asked = 0
        self._stop, self._at = stop, at

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def stop_requested(self) -> Stop | None:
        self.asked += 1
        return self._stop if self._stop and self.asked >= self._at else None

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def losses(self) -> list[float]:
        return [loss for block in self.of(StepsDone) for loss in block.loss]

    @property
    def epochs(self) -> list[EpochDone]:
        return self.of(EpochDone)


def striped_images(count: int, *, classes: int, seed: int, channels: int = 1, side: int = 8) -> Images:
    """Noise with one bright row that tells the class: learnt within a few steps."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = generator.integers(0, 100, size=(count, channels, side, side), dtype=np.uint8)
    pixels[np.arange(count), :, labels * 2] = 255
    return Images(pixels, labels.astype(np.int64))


def dataset_of(train: Images, test: Images | None = None) -> Dataset:
    shares = train.pixels / 255
    return Dataset(
        name="small",
        classes=[str(label) for label in range(int(train.labels.max()) + 1)],
        train=train,
        test=test,
        channel_mean=shares.mean(axis=(0, 2, 3)).tolist(),
        channel_std=shares.std(axis=(0, 2, 3)).tolist(),
    )


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def control() -> RecordingControl:
    return RecordingControl()


@pytest.fixture
def stopping() -> type[RecordingControl]:
    return RecordingControl


@pytest.fixture
def striped() -> Dataset:
    """72 + 24 grey 8×8 pictures of 3 classes."""
    return dataset_of(striped_images(72, classes=3, seed=0), striped_images(24, classes=3, seed=1))


@pytest.fixture
def coloured() -> Dataset:
    return dataset_of(striped_images(24, classes=3, seed=0, channels=3))


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The real handwritten digits."""
    data = load_digits()
    pixels = np.round(data.images / 16 * 255).astype(np.uint8)[:, None]
    return dataset_of(Images(pixels, data.target.astype(np.int64)))


@pytest.fixture
def spec_of() -> Callable:
    """A spec on the striped pictures with a small network, in fp32 on any CPU, and the fields a test cares about."""

    def make(kind: str = "training", **fields):
        small = {"dataset": "digits", "architecture": {"name": "mlp", "width": 16}, "batch_size": 16}
        return parse_spec({"kind": kind, "precision": "fp32", **small, **fields})

    return make


@pytest.fixture
def prepared(tmp_path: Path) -> Callable:
    """`prepare` with the facts that the service would hand over."""

    def make(spec, dataset: Dataset, **overrides):
        arguments = {
            "fact": catalog.architectures()[spec.architecture.name],
            "default_validation": 0.25,
            "default_augmentation": Augmentation(crop=1),
            "device": "cpu",
            "weights_dir": tmp_path / "weights",
        }
        return prepare(spec, dataset, **{**arguments, **overrides})

    return make
