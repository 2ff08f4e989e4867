"""How long images of one's own take until they are trained on, and what memory: `python benchmarks/image_sets.py`.

`--archive` (by default the 60,000 JPEGs of CIFAR-10, where they are) is sent to a service as `serve` starts it, on
SQLite with one worker that is warm. It is timed until it is stored, checked, and until the first optimizer steps on it,
which includes the cache. `--images` are generated, of 256 pixels a side and each a file of its own, and go the same
way; looked at is the memory of the worker's processes together, of its helpers and of the check, with a network that
needs hardly any. Each process counts with its share of what several have in common (PSS). Anonymous memory is what the
kernel cannot take back; resident memory counts the mapped pixels of the cache, too, which it drops as it needs.
"""

import argparse
import io
import sys
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.service_figures.serving import ROOT, SHORT, Service, alone, pid_of, wait_until
from benchmarks.service_figures.showing import say
from benchmarks.uploads import add

CIFAR = ROOT.parent / "shared" / "data" / "cifar10-jpeg.tar.xz"
PATIENCE_SECONDS = 1800.0
CLASSES, DISTINCT, SIDE = 10, 500, 256
CHECK = "worker.keeper.check", "worker.keeper.looking"
PARTS = {"check": CHECK, "helpers of the worker": ("worker.datasets.filling",)}


def main() -> None:
    asked = arguments()
    with alone() as (service, place):
        if asked.archive.exists():
            measure_archive(service, asked.archive)
        else:
            print(f"{asked.archive} is not there; skipped")
        if asked.images:
            folder = make_folder(place / "images", count=asked.images)
            measure_memory(service, folder, count=asked.images, side=asked.side)


def measure_archive(service: Service, archive: Path) -> None:
    """From sending it to the first optimizer steps on it."""
    with service.workers():
        began = time.time()
        add(service, archive)
        stored = time.time()
        found = await_check(service)
        checked = time.time()
        id = service.submit(SHORT | {"dataset": "pets", "architecture": "resnet9", "image_size": 32})
        trained = first_steps(service, id)
        service.ask(id, "cancel")
    images = sum(sum(classes.values()) for classes in found["counts"].values())
    parts = f"stored {stored - began:.1f}, checked {checked - stored:.1f}, cached and begun {trained - checked:.1f} s"
    say(f"{images:,} images of {archive.name}", f"{trained - began:.1f} s: {parts}", target="within 60 s")
    wait_until(lambda: service.http.delete("/v1/datasets/pets").is_success, what="for the set to go")


def measure_memory(service: Service, folder: Path, *, count: int, side: int) -> None:
    """The peaks of all processes at work on a large set, through its check, its cache and some steps."""
    with service.workers() as workers:
        watch = Watch(lambda: [*below(pid_of(workers[0])), *checks()])
        add(service, folder)
        await_check(service)
        id = service.submit(SHORT | {"dataset": "pets", "image_size": side, "epochs": 100})
        first_steps(service, id)
        time.sleep(10)
        step = service.job(id)["progress"]["step"]
        service.ask(id, "cancel")
        peaks = watch.end()
    what = f"{count:,} images of {SIDE} px, cached at {side} px, {step} steps of 128"
    for name, (anonymous, resident) in peaks.items():
        say(f"{name}, {what}", f"{anonymous:.0f} MB anonymous, {resident:.0f} MB resident", target="under 1,000 MB")


def await_check(service: Service) -> dict[str, Any]:
    """The set, once it is ready."""
    wait_until(lambda: seen(service)["state"] != "validating", what="for the check", patience_seconds=PATIENCE_SECONDS)
    found = seen(service)
    if found["state"] != "ready":
        raise RuntimeError(f"the set is {found['state']}: {found['report']}")
    return found


def seen(service: Service) -> dict[str, Any]:
    return dict(service.http.get("/v1/datasets/pets").raise_for_status().json())


def first_steps(service: Service, id: str) -> float:
    """When the first optimizer steps of a job were told."""
    wait_until(lambda: told(service, id), what="for steps", every_seconds=0.2, patience_seconds=PATIENCE_SECONDS)
    return datetime.fromisoformat(told(service, id)[0]["time"]).timestamp()


def told(service: Service, id: str) -> list[dict[str, Any]]:
    job = service.job(id)
    if job["state"] == "failed":
        raise RuntimeError(f"the job failed: {job['error']}")
    events = service.http.get(f"/v1/jobs/{id}/events").raise_for_status().json()["items"]
    return [event for event in events if event["type"] == "steps"]


def make_folder(folder: Path, *, count: int) -> Path:
    """Noise upon slopes, as JPEG; a few hundred pictures, each copy made unlike the others by bytes behind its end."""
    dice = np.random.default_rng(0)
    slopes = np.linspace(0, 200, SIDE)[:, None, None] * np.ones((1, SIDE, 3))
    pictures = []
    for _ in range(DISTINCT):
        file = io.BytesIO()
        noise = dice.normal(size=(SIDE // 8, SIDE // 8, 3)).repeat(8, axis=0).repeat(8, axis=1) * 20
        Image.fromarray(np.clip(slopes + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
        pictures.append(file.getvalue())
    for number in range(count):
        path = folder / f"class {number % CLASSES}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures[number % DISTINCT] + number.to_bytes(8, "big"))
    return folder


class Watch:
    """The highest memory of processes while it runs, in MB, looked at five times a second: anonymous and resident."""

    def __init__(self, processes: Any) -> None:  # noqa: ANN401
        self._processes = processes
        self._peaks: dict[str, tuple[float, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)
        self._thread.start()

    def end(self) -> dict[str, tuple[float, float]]:
        """The peaks of the worker's processes together, of its helpers, and of the check with its own."""
        self._ended.set()
        self._thread.join()
        return self._peaks

    def _look_again(self) -> None:
        while not self._ended.wait(0.2):
            for name, now in totals(self._processes()).items():
                highest = self._peaks.get(name, (0.0, 0.0))
                self._peaks[name] = max(highest[0], now[0]), max(highest[1], now[1])


def totals(pids: Iterable[int]) -> dict[str, tuple[float, float]]:
    """What they take now, by part: anonymous and resident, in MB."""
    found: dict[str, tuple[float, float]] = {}
    for pid in pids:
        memory, (anonymous, resident) = memory_of(pid), found.get(name_of(pid), (0.0, 0.0))
        found[name_of(pid)] = anonymous + memory.get("Pss_Anon", 0.0), resident + memory.get("Pss", 0.0)
    return found


def name_of(pid: int) -> str:
    command = command_of(pid)
    return next((name for name, modules in PARTS.items() if any(module in command for module in modules)), "worker")


def below(pid: int) -> list[int]:
    """A process and all that it started."""
    return [pid, *(one for child in children(pid) for one in below(child))]


def children(pid: int) -> list[int]:
    return [int(word) for task in Path(f"/proc/{pid}/task").glob("*/children") for word in read(task).split()]


def checks() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if name_of(int(path.name)) == "check"]


def command_of(pid: int) -> str:
    return read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")


def memory_of(pid: int) -> dict[str, float]:
    """In MB, by the kernel's names."""
    lines = (line.split() for line in read(Path(f"/proc/{pid}/smaps_rollup")).splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 / 1e6 for words in lines if len(words) == 3 and words[2] == "kB"}


def read(path: Path) -> str:
    """What stands there; nothing for a process that has just ended."""
    try:
        return path.read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, default=CIFAR)
    parser.add_argument("--images", type=int, default=200_000, help="0 generates none")
    parser.add_argument("--side", type=int, default=128, help="of the cached images")
    return parser.parse_args()


if __name__ == "__main__":
    main()
