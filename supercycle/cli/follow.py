"""Shows a job while it goes on: progress bars on a terminal, plain lines elsewhere."""

from typing import Protocol

from rich.console import Console

from supercycle.cli.bars import BarView, bars
from supercycle.cli.output import say
from supercycle.cli.standing import Standing, fill_in_totals, note_on
from supercycle.events import Event
from supercycle.jobs import Job


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
    """Show the job until it has ended; `job` is up to date afterwards."""
    console.print(f"{job.id} {job.data['kind']}")
    if not console.is_terminal:
        _show_events(job, PlainView())
    else:
        with bars(console) as progress:
            _show_events(job, BarView(progress))
    job.refresh()


def _show_events(job: Job, view: View) -> None:
    standing = Standing()
    for event in job.events():
        standing.take(event)
        if event.type == "steps" and standing.lacks_totals:
            fill_in_totals(job, standing)
        view.show(event, standing)
