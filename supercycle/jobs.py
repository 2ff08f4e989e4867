"""A job as a handle: its state, its history, its files, and what may be asked of it."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from supercycle.downloads import Progress, save_all
from supercycle.errors import NotReady, WaitTimeout
from supercycle.events import ABSENCE_SECONDS, ENDED_STATES, PAUSED, Event, Follower
from supercycle.frames import as_frame
from supercycle.transport import Json, Transport

if TYPE_CHECKING:
    import pandas

# Of one request; the service answers sooner where the job has ended or is paused.
LONGEST_WAIT_SECONDS = 30
# The most that the service sends.
EVENTS_PER_PAGE = 1000


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
        """When last heard of: queued, running, pausing, paused, cancelling, succeeded, failed, cancelled."""
        return str(self.data["state"])

    @property
    def has_ended(self) -> bool:
        """Whether the state is one that never changes."""
        return self.state in ENDED_STATES

    @property
    def is_paused(self) -> bool:
        """Whether it goes on only once somebody resumes it."""
        return self.state == PAUSED

    @property
    def path(self) -> str:
        """Where the job is at the service."""
        return f"/v1/jobs/{self.id}"

    def refresh(self) -> "Job":
        """Ask the service how the job is."""
        self.data = self._transport.get_json(self.path)
        return self

    def events(self, after: int = 0, *, through_pauses: bool = False) -> Iterator[Event]:
        """Every event with a `seq` above `after`, as it happens, until the job has ended or is paused.

        After `resume()`, go on with `events(after=…)` the last `seq`; `through_pauses=True` waits in silence until
        somebody resumes it. Broken connections are taken up again; ConnectionFailed, or UnexpectedAnswer from a proxy,
        after a minute without the service.
        """
        follower = Follower(
            self._transport,
            f"{self.path}/events",
            after=after,
            has_ended=self._look_ended,
            is_paused_after=_never if through_pauses else self._is_paused_after,
        )
        return follower.events()

    def wait(self, timeout: float | None = None, *, through_pauses: bool = False) -> "Job":
        """Return once the job has ended or is paused: `state` says which. WaitTimeout after `timeout` seconds.

        A paused job goes on only when somebody resumes it; `through_pauses=True` waits for that, too.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if self.is_paused:
            self.refresh()  # somebody else may have resumed it
        while not self.has_ended and (through_pauses or not self.is_paused):
            left = LONGEST_WAIT_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout(f"{self.id} is still {self.state} after {timeout:g} s")
            self._wait_once(min(left, LONGEST_WAIT_SECONDS))
        return self

    def history(self, after: int = 0) -> Iterator[Event]:
        """The events so far with a `seq` above `after`; unlike `events()` it does not wait for more."""
        while True:
            page = self._transport.get_json(f"{self.path}/events", params={"after": after, "limit": EVENTS_PER_PAGE})
            yield from map(Event.of, page["items"])
            after = page["last_seq"]
            if len(page["items"]) < EVENTS_PER_PAGE:
                return

    def metrics(
        self, phase: str | None = None, *, series: Sequence[str] | None = None, max_points: int | None = None
    ) -> Json:
        """The curves as columns: `steps`, `epochs`, `points`, `total_steps`; those named in `series`, or all.

        Always this mapping, whatever else is installed: what a function returns must not hang on that, neither for
        a reader nor for a type checker. `metrics_frame()` gives a DataFrame.
        """
        return self._transport.get_json(f"{self.path}/metrics", params=_wanted(phase, series, max_points))

    def metrics_csv(
        self, phase: str | None = None, *, series: Sequence[str] | None = None, max_points: int | None = None
    ) -> str:
        """The curves as a table with a header: of steps, or with a `series` of epochs alone those."""
        wanted = _wanted(phase, series, max_points)
        return self._transport.get(f"{self.path}/metrics", params=wanted, headers={"Accept": "text/csv"}).text

    def metrics_frame(
        self, phase: str | None = None, *, by: Literal["step", "epoch"] = "step", max_points: int | None = None
    ) -> "pandas.DataFrame":
        """The curves as a pandas DataFrame, indexed by step or epoch; ImportError without pandas.

        Steps are at most `max_points`, 1000 if it is not given, picked so that each extreme stays; epochs are all
        there are, none of a phase that has none.
        """
        columns = self.metrics(phase, max_points=max_points)
        return as_frame(columns["steps" if by == "step" else "epochs"], index=by)

    def logs(self) -> str:
        """The job's log as text."""
        return self._transport.get(f"{self.path}/logs").text

    def artifacts(self) -> list[Json]:
        """The files the job left: name, size, sha256, media_type, created_at, href."""
        return list(self._transport.pages(f"{self.path}/artifacts", params={}))

    def plots(self) -> dict[str, str]:
        """The pictures the job has so far, by name, with where each is at the service."""
        return dict(self.refresh().data["links"].get("plots") or {})

    def children(self) -> Iterator["Job"]:
        """The jobs that a plan such as a comparison is made of, newest first."""
        found = self._transport.pages("/v1/jobs", params={"parent_id": self.id})
        return (Job(self._transport, data) for data in found)

    def cancel(self) -> "Job":
        """Ask the job to stop; one that is running stops within a batch. ProblemError where it has ended."""
        self.data = self._ask("cancel")
        return self

    def pause(self) -> "Job":
        """Put the job aside; one that is running saves a checkpoint first. ProblemError where it has ended."""
        self.data = self._ask("pause")
        return self

    def resume(self) -> "Job":
        """Queue a paused job again: it goes on from its checkpoint, with its whole time limit."""
        self.data = self._ask("resume")
        return self

    def retry(self, *, idempotency_key: str | None = None) -> "Job":
        """Submit a failed or cancelled job again, from the start, as the new job that is returned."""
        return Job(self._transport, self._ask("retry", idempotency_key=idempotency_key))

    def clone(self, /, *, idempotency_key: str | None = None, **changes: Any) -> "Job":  # noqa: ANN401
        """Submit a job like this one; returns the new job. The keywords are fields of the spec, as of `train()`.

        A field of an object changes alone: `clone(epochs=20, optimizer={"weight_decay": 0.001})`. None stands for
        the default.
        """
        return Job(self._transport, self._ask("clone", idempotency_key=idempotency_key, json=changes))

    def delete(self) -> None:
        """Forget an ended job, its history and its files; its model stays."""
        self._transport.delete(self.path)

    def download(self, folder: str | Path, *, progress: Progress | None = None) -> list[Path]:
        """Save every artifact, plot and model file in `folder`; each one whole and checked, or not at all.

        Of a job that goes on, what it has so far, and NotReady where that is nothing. A job that ended
        without any files gives an empty list. Broken connections are taken up again, and so is a download that an
        earlier run had to leave. `progress(name, received_bytes, total_bytes)` is called as a file comes in.
        """
        files = self._files()
        if not files and not self.has_ended:
            raise NotReady(f"{self.id} is {self.state} and has nothing to download yet")
        return save_all(self._transport, files, folder=folder, progress=progress)

    def _files(self) -> dict[str, tuple[str, str | None]]:
        """Name → where it is and its digest, where the service gives one."""
        plots = {href.rpartition("/")[2]: (href, None) for href in self.plots().values()}
        files: dict[str, tuple[str, str | None]] = {**plots, **file_table(self.artifacts())}
        if self.data.get("model_id"):
            model = self._transport.get_json(f"/v1/models/{self.data['model_id']}")
            files.update(file_table(model["files"]))
        return files

    def _ask(self, verb: str, **request: Any) -> Json:  # noqa: ANN401 - what httpx takes
        return self._transport.post(f"{self.path}/{verb}", **request)

    def _look_ended(self) -> bool:
        return self.refresh().has_ended

    def _is_paused_after(self, seq: int) -> bool:
        """Whether the job is paused now and `seq` is its last event; a history may hold older pauses."""
        page = {"after": seq, "limit": 1}
        return self.refresh().is_paused and not self._transport.get_json(f"{self.path}/events", params=page)["items"]

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
        # A proxy may drop the header, and a paused job is answered at once; then the pause has to be made here.
        if not self.has_ended and time.monotonic() - asked < min(seconds, 0.5):
            time.sleep(min(seconds, 0.5))


def _wanted(phase: str | None, series: Sequence[str] | None, max_points: int | None) -> Json:
    return {"phase": phase, "series": series, "max_points": max_points}


def _never(seq: int) -> bool:  # noqa: ARG001 - stands in for Job._is_paused_after
    return False


def file_table(files: list[Json]) -> dict[str, tuple[str, str | None]]:
    """Name → href and sha256 of listed files."""
    return {str(file["name"]): (str(file["href"]), file.get("sha256")) for file in files}
