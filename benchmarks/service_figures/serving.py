"""The parts of `supercycle serve` as processes of their own, so that workers can be started and stopped at will."""

import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from app.db.migrate import upgrade
from app.db.session import Database
from app.domain.lifecycle import JobState
from benchmarks.service_figures.setups import Setup, embedded
from supercycle.cli.serving import free_port, parts_of, what_is_missing
from supercycle.cli.supervisor import Keeping, Part
from supercycle.config import pristine_environment

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
PATIENCE_SECONDS = 120.0
SPARING = ("-m", "benchmarks.service_figures.sparing_worker")

Job = dict[str, Any]


class Service:
    """A whole service but for its workers, which come and go."""

    def __init__(self, setup: Setup, data_dir: Path) -> None:
        self.setup = setup
        self.settings = setup.settings(data_dir)
        self.database = Database(self.settings.database)
        self._port = free_port(HOST, 0)
        self._environment = pristine_environment() | {"PYTHONPATH": str(ROOT)} | setup.environment(data_dir)
        self.api_pid = 0  #: once it runs
        self.http = httpx.Client(base_url=f"http://{HOST}:{self._port}", timeout=PATIENCE_SECONDS, trust_env=False)

    def parts(self, *, workers: int) -> list[Part]:
        """What `serve` would start, in its order: api, keeper, workers."""
        logs, devices = self.settings.folder("logs"), ["cpu"] * workers
        return parts_of(host=HOST, port=self._port, devices=devices, logs=logs, environment=self._environment)

    @contextmanager
    def workers(self, count: int = 1, *, warm: bool = True, sparing: bool = False) -> Iterator[list[Keeping]]:
        """Start workers, wait until the service is ready for jobs, by default warm as well, and stop them."""
        parts = self.parts(workers=count)[2:]
        if sparing:
            parts = [replace(part, argv=(sys.executable, *SPARING, *part.argv[3:])) for part in parts]
        with running(parts) as keepings:
            wait_until(self._is_ready, what="for the service to be ready")
            if warm:
                self.finish(self.submit(SHORT))  # decodes the data set, and loads whatever is loaded late
            yield keepings

    def _is_ready(self) -> bool:
        return what_is_missing(str(self.http.base_url).rstrip("/")) is None

    def submit(self, body: Job) -> str:
        """The id of a new job."""
        return str(self.http.post("/v1/jobs", json=body).raise_for_status().json()["id"])

    def job(self, id: str) -> Job:
        """A job as it is now."""
        return dict(self.http.get(f"/v1/jobs/{id}").raise_for_status().json())

    def finish(self, id: str, *, state: JobState = JobState.SUCCEEDED) -> Job:
        """A job once it has ended, as it should."""
        wait_until(lambda: self._has_ended(id), what=f"for {id} to end")
        job = self.job(id)
        if job["state"] != state:
            raise RuntimeError(f"job {id} should be {state}, and is {job['state']}: {job['error']}")
        return job

    def _has_ended(self, id: str) -> bool:
        """Asks for an answer as soon as it has: asking again and again would be a load of its own."""
        job = self.http.get(f"/v1/jobs/{id}", headers={"Prefer": "wait=60"}).raise_for_status().json()
        return JobState(job["state"]).ended

    def ask(self, id: str, verb: str) -> None:
        """Cancel, pause or resume a job."""
        self.http.post(f"/v1/jobs/{id}/{verb}").raise_for_status()

    def await_training(self, id: str) -> None:
        """Until its worker has told of steps."""
        wait_until(lambda: self._is_training(id), what=f"for {id} to train")

    def _is_training(self, id: str) -> bool:
        job = self.job(id)
        is_at_it = job["state"] == JobState.RUNNING and job["phase"] == "training"
        return is_at_it and int(job["progress"]["step"]) > 0


#: One epoch of eleven steps. Every choice is made, so that nothing is tried out; the rate suits the smallest batch.
SHORT: Job = {
    "kind": "training",
    "dataset": "digits",
    "architecture": "mlp",
    "epochs": 1,
    "schedule": {"policy": "one_cycle", "max_lr": 0.005},
    "precision": "fp32",
    "compile": "off",
}


@contextmanager
def serving(setup: Setup, data_dir: Path) -> Iterator[Service]:
    """A migrated database, the API and the keeper."""
    service = Service(setup, data_dir)
    upgrade(service.settings)
    with service.http, running(service.parts(workers=0)) as (api, _):
        service.api_pid = pid_of(api)
        wait_until(lambda: api_answers(service.http), what="for the API to answer")
        yield service
    service.database.dispose()


@contextmanager
def alone() -> Iterator[tuple[Service, Path]]:
    """The embedded default for a command that measures nothing else, and a folder for its files; says where it runs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with (
        tempfile.TemporaryDirectory(prefix="supercycle-") as place,
        embedded() as setup,
        serving(setup, Path(place, "data")) as service,
    ):
        yield service, Path(place)


@contextmanager
def running(parts: Sequence[Part]) -> Iterator[list[Keeping]]:
    """Start processes, and stop them as `serve` does; where the measurement failed, their last words are shown."""
    keepings = [Keeping(part) for part in parts]
    try:
        for keeping in keepings:
            keeping.start()
        yield keepings
    except Exception:
        for part in parts:
            print(f"--- {part.log}", "".join(part.log.read_text().splitlines(keepends=True)[-20:]), sep="\n")
        raise
    finally:
        stop(keepings)


def stop(keepings: Sequence[Keeping]) -> None:
    """SIGTERM, ten seconds of patience, SIGKILL."""
    for keeping in keepings:
        keeping.ask_to_stop()
    deadline = time.monotonic() + 10
    while not all([keeping.has_stopped() for keeping in keepings]):  # noqa: C419 - each must be asked
        if time.monotonic() > deadline:
            for keeping in keepings:
                keeping.kill()
            return
        time.sleep(0.02)


def api_answers(http: httpx.Client) -> bool:
    """Whether there is an API by now, whatever it says."""
    try:
        http.get("/livez")
    except httpx.ConnectError:
        return False
    return True


def wait_until(
    condition: Callable[[], object],
    *,
    what: str,
    every_seconds: float = 0.02,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience_seconds:g} s in vain {what}")
        time.sleep(every_seconds)


def pid_of(keeping: Keeping) -> int:
    """Of a process that runs."""
    assert keeping.process is not None
    return keeping.process.pid


def cpu_seconds(pid: int) -> float:
    """What a process itself has used so far, without the processes it started."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
