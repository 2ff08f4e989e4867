"""A job's history as server-sent events: read and serialized once for all who listen."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from fastapi.sse import format_sse_event

from app.api_keys.held import Held
from app.db.session import Database
from app.domain.lifecycle import JobState
from app.jobs.repository import JobRepository
from app.jobs.schemas import EventOut
from app.jobs.watcher import Head, Watcher

KEEPALIVE_SECONDS = 15.0
MOST_EVENTS = 200  #: read at once
PAGE_BYTES = 64 << 10  #: of a page; what a listener who reads slowly holds, beside as much in its connection
CACHE_BYTES = 8 << 20
ENTRY_BYTES = 500  #: what a page costs beside its text


@dataclass(frozen=True)
class Page:
    """Some events in a row, as they are sent."""

    text: bytes
    last_seq: int
    is_full: bool  #: it will never hold more, however the history goes on
    is_last: bool  #: it ends with the terminal event


class Pages:
    """Pages of histories, the latest kept: of 200 listeners who have seen the same, one reads and all get the bytes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[tuple[str, int], Page] = OrderedDict()
        self._bytes = 0

    def after(self, job_id: str, seen: int, *, newest: int) -> Page | None:
        """What follows `seen`, of which `newest` is known to be there; None when the job is gone."""
        page = self._kept.get((job_id, seen))
        if page is None or not (page.is_full or page.last_seq >= newest):
            found = self._read(job_id, seen)
            for number, one in found:
                self._keep((job_id, number), one)
            page = found[0][1] if found else None
        return page

    def _read(self, job_id: str, seen: int) -> list[tuple[int, Page]]:
        """Pages, each with the seq that it follows."""
        with self._database.reading() as session:
            rows = JobRepository(session).events(job_id, after=seen, limit=MOST_EVENTS)
        pages, texts, size = [], list[bytes](), 0
        for event in map(EventOut.of, rows):
            text = format_sse_event(data_str=event.model_dump_json(), event=event.type, id=str(event.seq))
            texts.append(text)
            size += len(text)
            is_last = _is_terminal(event)
            is_full = is_last or size >= PAGE_BYTES or len(texts) == MOST_EVENTS
            if is_full or event.seq == rows[-1].seq:
                pages.append((seen, Page(b"".join(texts), event.seq, is_full, is_last)))
                seen, texts, size = event.seq, [], 0
            if is_last:
                break
        return pages

    def _keep(self, key: tuple[str, int], page: Page) -> None:
        former = self._kept.pop(key, None)
        self._kept[key] = page
        self._bytes += _cost(page) - (_cost(former) if former else 0)
        while self._bytes > CACHE_BYTES and len(self._kept) > 1:
            self._bytes -= _cost(self._kept.popitem(last=False)[1])


def _cost(page: Page) -> int:
    return len(page.text) + ENTRY_BYTES


async def server_sent_events(
    pages: Pages,
    watcher: Watcher,
    job_id: str,
    *,
    key: AbstractContextManager[Held],
    after: int,
    newest: int,
    keepalive_seconds: float,
) -> AsyncIterator[bytes]:
    """A job's history from `after` on, to `newest` and what follows, until it ends or the key is lost.

    Nothing is lost or repeated. A listener asks for its next page when the one before is sent, so whoever reads slowly
    makes nobody wait and nothing pile up.
    """
    seen = after
    with key as held:
        while not held.is_lost:
            if seen < newest:
                page = pages.after(job_id, seen, newest=newest)
                if page is None:
                    return
                yield page.text
                seen = page.last_seq
                if page.is_last:
                    return
                await asyncio.sleep(0)  # sending may not wait for anything, and others want their turn
                continue
            try:
                head = await watcher.until(job_id, partial(_has_news, seen, held), timeout_seconds=keepalive_seconds)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if head is None or (head.last_seq <= seen and head.state.ended):
                return  # the job was deleted, or ended before the seq that was asked for
            newest = head.last_seq
        yield b": the API key is not valid any more\n\n"


def _has_news(seen: int, held: Held, head: Head) -> bool:
    return head.last_seq > seen or head.state.ended or held.is_lost


def _is_terminal(event: EventOut) -> bool:
    return event.type == "state" and JobState(event.data["state"]).ended
