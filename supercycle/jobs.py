"""A job as a handle: its state, its history, its files, and what may be asked of it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from supercycle.errors import NotReady, WaitTimeout
from supercycle.events import ABSENCE_SECONDS, ENDED_STATES, Event, Follower
from supercycle.files import save
from supercycle.transport import Json, Transport

LONGEST_WAIT_SECONDS = 30


class Job:
    """One job of the service. `data` is the job as it was last heard of; `refresh()` asks again."""

    def __init__(self, transport: Transport, data: Json) -> None:
        self._transport = transport
        self.data = data

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.data.get('kind')} {self.state}>"

    @property
    def id(self) -> str:
        """The job's id, `job_…`."""
        return str(self.data["id"])

    @property
    def state(self) -> str:
        """The state when last heard of: queued, running, cancelling, succeeded, failed, cancelled."""
        return str(self.data["state"])

    @property
    def has_ended(self) -> bool:
        """Whether the state is one that never changes."""
        return self.state in ENDED_STATES

    @property
    def path(self) -> str:
        """Where the job is at the service."""
        return f"/v1/jobs/{self.id}"

    def refresh(self) -> "Job":
        """Ask the service how the job is."""
        self.data = self._transport.get_json(self.path)
        return self

    def events(self, after: int = 0) -> Iterator[Event]:
        """Every event with a `seq` above `after`, as it happens, until the job has ended.

        Broken connections are taken up again; ConnectionFailed after a minute without the service.
        """
        follower = Follower(self._transport, f"{self.path}/events", after=after, has_ended=self._look_ended)
        return follower.events()

    def wait(self, timeout: float | None = None) -> "Job":
        """Return once the job has ended; WaitTimeout after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.has_ended:
            left = LONGEST_WAIT_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout(f"{self.id} is still {self.state} after {timeout:g} s")
            self._wait_once(min(left, LONGEST_WAIT_SECONDS))
        return self

    def metrics(self, phase: str | None = None, *, max_points: int | None = None) -> Json:
        """The curves as columns: `steps`, `epochs`, `points`, `total_steps`."""
        return self._transport.get_json(f"{self.path}/metrics", params={"phase": phase, "max_points": max_points})

    def logs(self) -> str:
        """The job's log as text."""
        return self._transport.get(f"{self.path}/logs").text

    def artifacts(self) -> list[Json]:
        """The files the job left: name, size, sha256, media_type, created_at, href."""
        return list(self._transport.pages(f"{self.path}/artifacts", params={}))

    def plots(self) -> dict[str, str]:
        """The pictures the job has so far, by name, with where each is at the service."""
        return dict(self.refresh().data["links"].get("plots") or {})

    def cancel(self) -> "Job":
        """Ask the job to stop; one that is running stops within a batch. ProblemError where it has ended."""
        response = self._transport.send("POST", f"{self.path}/cancel")
        self.data = self._transport.read_json(response)
        return self

    def delete(self) -> None:
        """Forget an ended job, its history and its files; its model stays."""
        self._transport.send("DELETE", self.path)

    def download(self, folder: str | Path) -> list[Path]:
        """Save every artifact, plot and model file in `folder`; each one whole and checked, or not at all.

        Of a job that goes on, what it has so far, and NotReady where that is nothing. A job that ended
        without any files gives an empty list.
        """
        files = self._files()
        if not files and not self.has_ended:
            raise NotReady(f"{self.id} is {self.state} and has nothing to download yet")
        return [
            save(self._transport, href, folder=Path(folder), name=name, sha256=sha256)
            for name, (href, sha256) in files.items()
        ]

    def _files(self) -> dict[str, tuple[str, str | None]]:
        """Name → where it is and its digest, where the service gives one."""
        plots = {href.rpartition("/")[2]: (href, None) for href in self.plots().values()}
        files: dict[str, tuple[str, str | None]] = {**plots, **file_table(self.artifacts())}
        if self.data.get("model_id"):
            model = self._transport.get_json(f"/v1/models/{self.data['model_id']}")
            files.update(file_table(model["files"]))
        return files

    def _look_ended(self) -> bool:
        return self.refresh().has_ended

    def _wait_once(self, seconds: float) -> None:
        asked = time.monotonic()
        request: dict[str, Any] = {
            "headers": {"Prefer": f"wait={max(1, round(seconds))}"},
            "timeout_seconds": seconds + self._transport.timeout_seconds,
        }
        self.data = self._transport.patiently(
            lambda: self._transport.read_json(self._transport.send("GET", self.path, **request)),
            patience_seconds=ABSENCE_SECONDS,
        )
        # A proxy may drop the header; then the answer comes at once and the pause has to be made here.
        if not self.has_ended and time.monotonic() - asked < min(seconds, 0.5):
            time.sleep(min(seconds, 0.5))


def file_table(files: list[Json]) -> dict[str, tuple[str, str | None]]:
    """Name → href and sha256 of listed files."""
    return {str(file["name"]): (str(file["href"]), file.get("sha256")) for file in files}
