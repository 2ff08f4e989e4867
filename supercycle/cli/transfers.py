"""Transfers on a terminal: a progress bar per file, gone once all are done; elsewhere, lines for uploads."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from supercycle import downloads
from supercycle.cli.output import console, file_size, printable

LINE_SECONDS = 5.0


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


class Lines:
    """A line now and then on what is sent, and one when all of it is."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._last = time.monotonic()

    def show(self, name: str, sent_bytes: int, total_bytes: int | None) -> None:
        """Take notice of bytes of one file."""
        now, is_whole = time.monotonic(), sent_bytes == total_bytes
        if total_bytes and (is_whole or now - self._last >= LINE_SECONDS):
            share = 100 * sent_bytes / total_bytes
            self._screen.print(printable(f"{name}: {share:.0f} % of {file_size(total_bytes)} sent"))
            self._last = now


@contextmanager
def upload_progress(screen: Console | None = None, *, as_json: bool) -> Iterator[downloads.Progress | None]:
    """A bar on stderr where that is a terminal, lines elsewhere; None where a program is to read the output."""
    screen = screen or console(stderr=True)
    if as_json or screen.is_terminal:
        with transfer_bars(screen, as_json=as_json) as progress:
            yield progress
    else:
        yield Lines(screen).show
