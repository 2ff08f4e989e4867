"""A job's history as it happens: server-sent events, taken up again where a connection broke."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from supercycle.errors import SupercycleError
from supercycle.transport import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Transport, retry_delay_seconds

ENDED_STATES = frozenset({"succeeded", "failed", "cancelled"})
PAUSED = "paused"
# The service sends a comment every 15 s; after three of them missed, the line is dead.
SILENCE_SECONDS = 45.0
# How long a service may be away before following it is given up.
ABSENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a job. `seq` counts from 1 without gaps or repeats."""

    seq: int
    type: str
    time: datetime
    attempt: int
    data: dict[str, Any]

    @classmethod
    def read(cls, text: str) -> "Event":
        """From the JSON of an event."""
        return cls.of(json.loads(text))

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Event":
        """From an event as the service shows it."""
        fields = {name: content[name] for name in ("seq", "type", "attempt", "data")}
        return cls(time=datetime.fromisoformat(content["time"]), **fields)

    def as_dict(self) -> dict[str, Any]:
        """As one JSON object."""
        return {**asdict(self), "time": self.time.isoformat()}

    @property
    def ends_job(self) -> bool:
        """Whether nothing can come after it."""
        return self.type == "state" and self.data.get("state") in ENDED_STATES

    @property
    def pauses_job(self) -> bool:
        """Whether nothing comes after it until somebody resumes the job."""
        return self.type == "state" and self.data.get("state") == PAUSED


def parse_stream(lines: Iterable[str]) -> Iterator[Event]:
    """The events in the lines of a text/event-stream; one that was cut off is left out."""
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield Event.read("\n".join(data))
            data = []


class Follower:
    """Reads a job's stream to the end or a pause, over as many connections as that takes."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        after: int,
        has_ended: Callable[[], bool],
        is_paused_after: Callable[[int], bool],
    ) -> None:
        self._transport = transport
        self._path = path
        self._after = after
        self._has_ended = has_ended
        self._is_paused_after = is_paused_after
        self._away_since: float | None = None
        self._pause = FIRST_PAUSE_SECONDS

    def events(self) -> Iterator[Event]:
        """Every event until the one that ends the job or leaves it paused, without loss or repeat."""
        last_look = False
        while True:
            seen = self._after
            try:
                # The stream of a paused job stays open and silent, so it must not be opened again after a pause.
                if seen and self._is_paused_after(seen):
                    return
                for event in self._connection():
                    yield event
                    if event.ends_job or (event.pauses_job and self._is_paused_after(event.seq)):
                        return
                if last_look:
                    return
                # Whoever starts behind the last event hears nothing: once the job has ended, one more look is all.
                last_look = self._after == seen and self._has_ended()
            except SupercycleError as error:
                self._wait_out(error)
            if self._after == seen:
                self._rest()

    def _connection(self) -> Iterator[Event]:
        for event in parse_stream(self._lines()):
            if event.seq > self._after:
                self._after = event.seq
                self._pause = FIRST_PAUSE_SECONDS
                yield event

    def _lines(self) -> Iterator[str]:
        headers = {"Accept": "text/event-stream"}
        if self._after:
            headers["Last-Event-ID"] = str(self._after)
        with self._transport.stream(self._path, headers=headers, silence_seconds=SILENCE_SECONDS) as response:
            self._away_since = None
            yield from response.iter_lines()

    def _wait_out(self, error: SupercycleError) -> None:
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        wait = retry_delay_seconds(error)
        if wait is None or now + wait > self._away_since + ABSENCE_SECONDS:
            raise error
        time.sleep(wait)

    def _rest(self) -> None:
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
