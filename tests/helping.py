"""Pictures that keep helpers at work, and which processes there are below one."""

import io
import sys
import time
from functools import cache
from pathlib import Path

from PIL import Image

from worker.datasets import crew

#: Runs what follows in a process of its own, with helpers from the first picture on.
AT_ONCE = "from worker.datasets import crew; crew.Pace.helpers_pay = lambda pace: pace.done > 0; "


def python(code: str) -> list[str]:
    """A command that runs it, isolated as the keeper's children are."""
    return [sys.executable, "-I", "-c", AT_ONCE + code]


@cache
def slow_png() -> bytes:
    """25 megapixels of one colour; to decode them takes a tenth of a second and more."""
    target = io.BytesIO()
    Image.new("RGB", (5000, 5000), (10, 20, 30)).save(target, "PNG", compress_level=1)
    return target.getvalue()


def count_helpers(monkeypatch, module, *, at_once: int) -> list[str]:
    """Have a module use helpers from its second piece on, of so many; says whenever they are started."""
    started: list[str] = []

    class Counted(crew.Helpers):
        def __init__(self, module: str) -> None:
            started.append(module)
            super().__init__(module)

    monkeypatch.setattr(crew.os, "cpu_count", lambda: 3)
    monkeypatch.setattr(crew.Pace, "helpers_pay", lambda pace: pace.done > 0)
    monkeypatch.setattr(crew.Pace, "at_once", at_once)
    monkeypatch.setattr(module, "Helpers", Counted)
    return started


def children_of(pid: int) -> set[int]:
    """Those that it has now."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(word) for task in tasks for word in read(task).split()}


def await_children(pid: int, *, at_least: int = 2, seconds: float = 60.0) -> set[int]:
    """So many of them, once they have decoded something."""
    deadline = time.monotonic() + seconds
    while len(found := {child for child in children_of(pid) if _cpu_ticks(child) > 0}) < at_least:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def await_gone(pids: set[int], *, seconds: float = 10.0) -> None:
    """Wait until none of them is there, or only for somebody to ask how it ended."""
    deadline = time.monotonic() + seconds
    while alive := {pid for pid in pids if _state(pid) not in ("", "Z", "X")}:
        assert time.monotonic() < deadline, alive
        time.sleep(0.01)


def read(path: Path) -> str:
    """What stands there; nothing for a process that is gone."""
    try:
        return path.read_text("ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _state(pid: int) -> str:
    return read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].strip()[:1]


def _cpu_ticks(pid: int) -> int:
    words = read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return int(words[11]) + int(words[12]) if words else 0
