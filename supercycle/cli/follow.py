"""Shows a job while it goes on: progress bars on a terminal, plain lines elsewhere."""

from typing import Protocol

from rich.console import Console

from supercycle.cli.bars import BarView, bars
from supercycle.cli.output import say
from supercycle.cli.standing import Standing, fill_in_totals, note_on
from supercycle.events import Event
from supercycle.jobs import Job
from supercycle.transport import Json


class View(Protocol):
    """Shows what happens."""

    def show(self, event: Event, standing: Standing) -> None:
        """Take notice of one more event; `standing` has it already."""


class PlainView:
    """Lines: one per phase, epoch and note, and a few per phase that counts steps alone."""

    def __init__(self) -> None:
        self._quarter = 0

    def show(self, event: Event, standing: Standing) -> None:
        """Print a line if the event is worth one."""
        note = note_on(event)
        if note:
            say(note)
        elif event.type == "phase":
            self._quarter = 0
            say(standing.phase)
        elif event.type == "epoch":
            say(f"  {standing.count()}  {standing.numbers()}")
        elif event.type == "steps" and not standing.epochs and standing.steps:
            self._show_steps(standing, quarter=4 * standing.step // standing.steps)

    def _show_steps(self, standing: Standing, *, quarter: int) -> None:
        if quarter > self._quarter:
            self._quarter = quarter
            say(f"  step {standing.count()}  {standing.numbers()}")


def follow(job: Job, *, console: Console) -> None:
    """Show the job until it has ended or is paused; `job` is up to date afterwards."""
    console.print(f"{job.id} {job.data['kind']}")
    if job.state == "queued" and needs(job.data):
        console.print(f"waits for a worker with {needs(job.data)}")
    if not console.is_terminal:
        _show_events(job, PlainView())
    else:
        with bars(console) as progress:
            _show_events(job, BarView(progress))
    if not job.is_paused:
        job.refresh()


def needs(job: Json) -> str:
    """What a worker must have to run the job, where not any would do."""
    device, count = job.get("device", "any"), job["spec"].get("devices", 1)
    noun = {"cpu": "CPU device", "cuda": "GPU"}.get(device, "device")
    if count > 1:
        return f"{count} {noun}s"
    return "" if device == "any" else f"a {noun}"


def _show_events(job: Job, view: View) -> None:
    standing = Standing()
    for event in job.events():
        standing.take(event)
        if event.type in ("steps", "child") and standing.lacks_totals:
            fill_in_totals(job, standing)
        view.show(event, standing)
