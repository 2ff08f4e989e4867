"""Downloads on a terminal: one progress bar per file, gone once all are here."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from supercycle import downloads
from supercycle.cli.output import console, printable


class Transfers:
    """Moves a bar for each file that comes in."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def show(self, name: str, received_bytes: int, total_bytes: int | None) -> None:
        """Take notice of bytes of one file."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(printable(name), total=None)
        self._bars.update(self._tasks[name], completed=received_bytes, total=total_bytes)


@contextmanager
def transfer_bars(screen: Console | None = None, *, as_json: bool) -> Iterator[downloads.Progress | None]:
    """Bars on stderr where that is a terminal; None elsewhere, and where a program is to read the output."""
    screen = screen or console(stderr=True)
    if as_json or not screen.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    ) as bars:
        yield Transfers(bars).show
