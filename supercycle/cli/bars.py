"""A job on a terminal: one progress bar per phase, notes above them."""

from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from supercycle.cli.standing import Standing, note_on
from supercycle.events import ENDED_STATES, PAUSED, Event

# What stands beside the bar at its longest: phase, count, figures, time.
WIDTH_OF_THE_REST = 74
SHORTEST_BAR = 6
LONGEST_BAR = 30


class ClockColumn(ProgressColumn):
    """The time a phase still needs; what it took once it is over."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """As 1:05 left, or 1:05."""
        left = None if task.stop_time is not None else task.time_remaining
        seconds = task.elapsed or 0.0 if left is None else left
        clock = str(timedelta(seconds=round(seconds))).removeprefix("0:").removeprefix("0")
        return Text(clock if left is None else f"{clock} left", style="progress.remaining")


class BarView:
    """One progress bar per phase, the notes above them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def show(self, event: Event, standing: Standing) -> None:
        """Move the bar, or print a note above it."""
        note = note_on(event)
        if note:
            self._progress.console.print(note)
        if event.type == "phase":
            self._stop(is_done=True)
            self._task = self._progress.add_task(standing.phase, total=None, count="", numbers="")
        elif event.type == "state":
            self._take_state(event.data["state"])
        elif event.type == "rewind":
            self._stop(is_done=False)  # a phase event follows, and with it a new bar
        elif self._task is not None:
            self._move(self._task, standing)

    def _take_state(self, state: str) -> None:
        if state in ("queued", PAUSED) or state in ENDED_STATES:
            self._stop(is_done=state == "succeeded")

    def _move(self, task: TaskID, standing: Standing) -> None:
        self._progress.update(
            task,
            total=standing.steps,
            completed=standing.step,
            count=standing.count(),
            numbers=standing.numbers(),
        )

    def _stop(self, *, is_done: bool) -> None:
        """A phase that is done has a full bar: it may have counted nothing, or ended before its last step."""
        if self._task is None:
            return
        task = self._progress.tasks[self._task]
        if is_done or task.total is None:
            self._progress.update(self._task, total=max(1, task.completed), completed=max(1, task.completed))
        self._progress.stop_task(self._task)
        self._task = None


def bars(console: Console) -> Progress:
    """Bars for a terminal, as long as the figures beside them let them be."""
    width = max(SHORTEST_BAR, min(LONGEST_BAR, console.width - WIDTH_OF_THE_REST))
    return Progress(
        TextColumn("{task.description:<10}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=width),
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True)),
        ClockColumn(table_column=Column(no_wrap=True)),
        console=console,
    )
