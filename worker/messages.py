"""What passes between a training process and its supervisor: an assignment in, messages out."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from app.domain.specs import Augmentation
from worker.datasets.source import DatasetSource
from worker.engine.events import Control, Event, Stop


@dataclass(frozen=True)
class Places:
    """The folders a training process may use. It knows no others, and no credentials."""

    attempt: Path  #: this attempt's files, stored by the supervisor
    checkpoints: Path  #: the job's checkpoints, for this attempt and the next
    cache: Path  #: decoded datasets
    weights: Path  #: published weights


@dataclass(frozen=True)
class History:
    """The columns earlier attempts left, for pictures of the whole training."""

    steps: dict[str, list[int | float | None]] = field(default_factory=dict)
    epochs: dict[str, list[int | float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rank:
    """One of several processes that share a training: which, of how many, and the file where they meet."""

    number: int
    count: int
    meeting: Path


@dataclass(frozen=True)
class Assignment:
    """All a training process needs to know of its job."""

    job_id: str
    title: str
    spec: dict[str, Any]
    dataset: DatasetSource
    dataset_id: str
    default_image_size: int
    default_validation: float
    default_augmentation: Augmentation
    device: str
    places: Places
    checkpoint_seconds: float
    resume: Path | None = None
    fence: int = 0
    rank: Rank | None = None  #: None where one process does it all
    resolved: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)


@dataclass(frozen=True)
class Happened:
    """An event of the engine, with the time at which it happened."""

    event: Event
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    memory_bytes: int | None = None  #: the most that the training process has held by then


@dataclass(frozen=True)
class Settled:
    """A value that was left open is known now, where it comes from and why."""

    name: str
    value: Any
    origin: str
    reason: str


@dataclass(frozen=True)
class FileMade:
    """A file in the attempt's folder, to be stored as an artifact or with the model."""

    name: str
    path: Path
    size: int
    sha256: str
    media_type: str
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class ModelMade:
    """A trained model: its facts, as columns of the models table, and its files."""

    facts: dict[str, Any]
    files: list[FileMade]


@dataclass(frozen=True)
class Finished:
    """The work is done."""

    result: dict[str, Any]
    model: ModelMade | None = None


@dataclass(frozen=True)
class Failed:
    """The work cannot be done, and unless `retryable` trying again would not help."""

    code: str
    title: str
    detail: str
    hint: str
    retryable: bool = False


@dataclass(frozen=True)
class StoppedEarly:
    """The process did as it was asked."""

    reason: Stop


Message = Happened | Settled | FileMade | Finished | Failed | StoppedEarly
Ending = Finished | Failed | StoppedEarly


class Line(Control, Protocol):
    """The engine's control, which also takes messages for the supervisor."""

    def send(self, message: Message) -> None:
        """Say something to the supervisor."""
