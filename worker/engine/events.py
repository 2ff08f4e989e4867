"""What the engine says while it works, and what it may be asked. The caller decides where it goes."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol


class Stop(StrEnum):
    """Why the engine is asked to stop before the end."""

    CANCEL = "cancel"  #: for good; nothing is kept
    YIELD = "yield"  #: save a checkpoint first, another worker goes on


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `type` and the fields are those of the public event list."""

    type: ClassVar[str]

    def data(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PhaseStarted(Event):
    """A phase of the job begins; `steps` and `epochs` size the progress bar where they are known."""

    type: ClassVar[str] = "phase"
    phase: str
    steps: int | None = None
    epochs: int | None = None


@dataclass(frozen=True, slots=True)
class StepsDone(Event):
    """A block of consecutive optimizer steps, as columns. Losses may be non-finite."""

    type: ClassVar[str] = "steps"
    phase: str
    first_step: int
    learning_rate: list[float]
    momentum: list[float]
    loss: list[float]
    held_out_loss: list[float | None] | None = None  #: of a range test that looks at it, None before other steps

    def data(self) -> dict[str, Any]:
        """The fields, without the last where there is none."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class EpochDone(Event):
    """One pass over the training images and the evaluation after it. `epoch` counts from 1."""

    type: ClassVar[str] = "epoch"
    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    images_per_second: float | None


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """How far a phase without optimizer steps has come, e.g. images decoded. Moves the bar, leaves no history."""

    type: ClassVar[str] = "progress"
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Resized(Event):
    """The phase takes another number of steps than it said. Moves the bar, leaves no history."""

    type: ClassVar[str] = "resized"
    phase: str
    steps: int


@dataclass(frozen=True, slots=True)
class CheckpointSaved(Event):
    """The state after `step` optimizer steps lies on disk under `path`, synced, with this digest."""

    type: ClassVar[str] = "checkpoint"
    step: int
    best: bool
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Rewound(Event):
    """The training goes back: steps from `to_step` on, and epochs that ended after it, count no more."""

    type: ClassVar[str] = "rewind"
    to_step: int
    reason: str


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """Something the user should know that stops nothing."""

    type: ClassVar[str] = "warning"
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Logged(Event):
    """One line for the job's log."""

    type: ClassVar[str] = "log"
    level: str
    message: str


class Control(Protocol):
    """The engine's only line to the outside."""

    def emit(self, event: Event) -> None:
        """Take an event. Must be quick: it is called between optimizer steps."""

    def stop_requested(self) -> Stop | None:
        """Asked once per optimizer step; costs no more than reading a variable."""
