"""The demonstration behind `make demo`: a whole service of its own, a range test, a training, their files."""

import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from supercycle.cli.follow import follow
from supercycle.cli.output import complain, console, percent, print_table, say
from supercycle.cli.refusals import print_error
from supercycle.client import Client
from supercycle.config import pristine_environment
from supercycle.errors import SupercycleError
from supercycle.jobs import Job

OUT = Path("demo-out")
WORK: dict[str, Any] = {"dataset": "digits", "architecture": {"name": "resnet9", "width": 16}}
EPOCHS = 10
START_SECONDS = 120.0
STOP_SECONDS = 20.0
READY = "Supercycle is ready at "
TAIL_LINES = 15


class DemoFailed(SupercycleError):
    """The demonstration cannot go on; the message says why."""


def main() -> int:
    """Run it; the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up, as after a Ctrl-C
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="supercycle-demo-") as scratch:
        data_dir = Path(scratch) / "data"
        try:
            with serving(data_dir) as address, Client(address) as client:
                _demonstrate(client)
        except SupercycleError as error:
            print_error(error)
            _print_logs(data_dir / "logs")
            return 1
        except KeyboardInterrupt:
            complain("interrupted; everything was stopped")
            return 130
    say(f"done in {time.monotonic() - began:.0f} s; everything that was started is stopped")
    return 0


def _demonstrate(client: Client) -> None:
    say(f"a service runs at {client.url}; two jobs on the UCI handwritten digits follow\n")
    test = _run(client.range_test(**WORK, name="demo range test", tags=["demo"]))
    training = _run(client.train(**WORK, epochs=EPOCHS, name="demo training", tags=["demo"]))
    for job in (test, training):
        job.download(OUT / job.data["kind"])
    result = training.data["result"]
    say("")
    print_table(
        ("suggested lr", "lr used", "epochs", "validation accuracy", "seconds"),
        [
            [
                test.data["result"]["max_lr"],
                training.data["resolved"]["max_lr"]["value"],
                result["epochs_run"],
                percent(result["best"]["validation_accuracy"]),
                f"{result['seconds']:.1f}",
            ]
        ],
    )
    say(f"\nplots and model: {', '.join(f'{OUT}/{folder.name}/' for folder in sorted(OUT.iterdir()))}")


def _run(job: Job) -> Job:
    follow(job, console=console())
    if job.state != "succeeded":
        error = job.data["error"] or {}
        raise DemoFailed(f"{job.id} {job.state}: {error.get('detail', '')} {error.get('hint', '')}".rstrip())
    return job


@contextmanager
def serving(data_dir: Path) -> Iterator[str]:
    """A service on its embedded defaults and a free port; yields its address, stops it at the end."""
    data_dir.mkdir(parents=True)
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "supercycle", "serve", "--port", "0", "--data-dir", str(data_dir), "--follow-stdin"],
        stdin=subprocess.PIPE,  # when this process dies, by whatever means, the service stops
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=data_dir,  # no settings file of the user's lies here
        env=pristine_environment(),
        start_new_session=True,  # a Ctrl-C is for this process alone, which then stops the service
    )
    try:
        yield _await_ready(process)
    finally:
        _stop(process)


def _await_ready(process: subprocess.Popen[str]) -> str:
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True).start()
    deadline = time.monotonic() + START_SECONDS
    said: list[str] = []
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line is None:
            raise DemoFailed("the service ended instead of starting:\n" + "".join(said))
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
        said.append(line)
    raise DemoFailed(f"the service was not ready after {START_SECONDS:g} s:\n" + "".join(said))


def _read_lines(stream: IO[str] | None, lines: "queue.Queue[str | None]") -> None:
    """Read on to the end, so that the service never waits for its output to be taken."""
    for line in stream or ():
        lines.put(line)
    lines.put(None)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its parts follow: their standard input ends with it
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _print_logs(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text("utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        complain("\n".join([f"--- the end of {log.name}", *lines]))


if __name__ == "__main__":
    sys.exit(main())
