"""Where a job stands, gathered from its events, and in words."""

import math
from dataclasses import dataclass

from supercycle.cli.output import percent, printable
from supercycle.events import ENDED_STATES, PAUSED, Event
from supercycle.jobs import Job

# States that a job passes or rests in; how it ended is told once all is known.
STATE_NOTES = {
    "pausing": "pausing: the worker saves a checkpoint and stops",
    PAUSED: "paused",
    "cancelling": "cancelling",
}


@dataclass
class Standing:
    """Where a job is. Events do not tell how long a phase is: see `fill_in_totals`."""

    state: str = "queued"
    phase: str = ""
    step: int = 0
    steps: int | None = None
    epoch: int = 0
    epochs: int | None = None
    learning_rate: float | None = None
    loss: float | None = None
    accuracy: float | None = None
    children_ended: int = 0  #: of a plan, whose phases count them

    def take(self, event: Event) -> None:
        """Bring it up to date with one more event."""
        data = event.data
        if event.type == "state":
            self.state = data["state"]
        elif event.type == "phase":
            self._begin(data["phase"])
        elif event.type == "steps":
            self.step = data["first_step"] + len(data["learning_rate"])
            self.learning_rate, self.loss = data["learning_rate"][-1], data["loss"][-1]
        elif event.type == "epoch":
            self.epoch, self.accuracy = data["epoch"], data["validation_accuracy"]
        elif event.type == "child":
            self.children_ended += data["state"] in ENDED_STATES
            self.step = self.children_ended
        elif event.type == "rewind":
            self.step = data["to_step"]

    def _begin(self, phase: str) -> None:
        self.phase, self.step = phase, self.children_ended
        self.steps = self.epochs = self.learning_rate = self.loss = self.accuracy = None

    @property
    def lacks_totals(self) -> bool:
        """Whether it has come further than it knew there was to go."""
        return self.steps is None or self.step > self.steps

    def count(self) -> str:
        """Epochs, or steps where there are no epochs."""
        if self.epochs:
            return f"epoch {self.epoch}/{self.epochs}"
        return f"{self.step}/{self.steps}" if self.steps else ""

    def numbers(self) -> str:
        """The figures of the moment in one line."""
        parts = [
            f"lr {self.learning_rate:.3g}" if self.learning_rate is not None else "",
            f"loss {self.loss:.3g}" if self.loss is not None and math.isfinite(self.loss) else "",
            f"val {percent(self.accuracy)}" if self.accuracy is not None else "",
        ]
        return "  ".join(part for part in parts if part)


def fill_in_totals(job: Job, standing: Standing) -> None:
    """Ask how long the phase is. The row knows of the present one, which may grow; the metrics of one that is over."""
    data = job.refresh().data
    is_training = data["kind"] == standing.phase == "training"
    standing.epochs = data["spec"].get("epochs") if is_training else None
    if data["phase"] == standing.phase:
        standing.steps = data["progress"]["steps"]
    else:
        standing.steps = job.metrics(standing.phase, max_points=2)["total_steps"]


def note_on(event: Event) -> str:
    """What deserves a line of its own, on any kind of output; empty for the rest."""
    data = event.data
    if event.type == "state":
        return _note_on_state(data["state"], data.get("previous"))
    if event.type == "rewind":
        return printable(f"back to step {data['to_step']}: {data['reason']}")
    if event.type == "warning":
        return printable(f"warning: {data['detail']} ({data['code']})")
    if event.type == "child" and data["state"] != "queued":
        return printable(f"{data['key']} {data['state']} ({data['job_id']})")
    if event.type == "log" and data["level"] in ("warning", "error"):
        return printable(f"{data['level']}: {data['message']}")
    return ""


def _note_on_state(state: str, previous: str | None) -> str:
    if state == "queued" and previous == PAUSED:
        return "resumed; the job waits for a worker and goes on from where it was"
    if state == "queued" and previous:
        return "the worker has gone; the job waits for one and goes on from its last checkpoint"
    return STATE_NOTES.get(state, "")
