"""A key that is revoked, or expires, while something is open by it: a stream and a wait lose it within five seconds."""

import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from app.api_keys import held, keyring, service
from app.callers import Scope
from app.jobs import stream

LONGEST_SECONDS = 5.0  #: what is promised


@pytest.fixture
def served(serve, settings):
    return serve(settings)


@pytest.fixture
def create(database):
    """A new key of ann's; returns it as it is stored and as it is shown."""

    def call(**options):
        with database.transaction() as session:
            made = service.create(session, owner="ann", scopes=[Scope.READ], **options)
        return made.row.id, {"Authorization": f"Bearer {made.token}"}

    return call


@pytest.fixture
def job(database, put_job):
    return put_job(database, owner="ann")


@pytest.fixture
def listen(served, job, parse_events):
    """Open a stream and read its first event."""

    @contextmanager
    def open_stream(headers):
        headers = headers | {"Accept": "text/event-stream"}
        with httpx.stream("GET", f"{served.url}/v1/jobs/{job}/events", headers=headers, timeout=20) as response:
            events = parse_events(response.iter_lines())
            assert next(events)[1] == 1
            yield events

    return open_stream


@pytest.fixture
def come_back(served, job):
    """What an EventSource is told that opens its stream again."""

    def ask(headers):
        headers = headers | {"Accept": "text/event-stream", "Last-Event-ID": "1"}
        return httpx.get(f"{served.url}/v1/jobs/{job}/events", headers=headers).status_code

    return ask


LAST_WORDS = ["the API key is not valid any more"]


class TestRevoked:
    def test_stream_and_wait_end_and_what_other_keys_hold_goes_on(
        self, served, database, job, create, listen, come_back, hand_of
    ):
        (id, lost), (_, kept), answers = create(), create(), []

        def wait():
            address, headers = f"{served.url}/v1/jobs/{job}", lost | {"Prefer": "wait=30"}
            answers.append((httpx.get(address, headers=headers, timeout=40).status_code, time.monotonic()))

        with listen(lost) as events, listen(kept) as others:
            waiting = threading.Thread(target=wait)
            waiting.start()
            while len(served.parts.watcher._listeners.get(job, ())) < 3:  # a hang is the test's time limit
                time.sleep(0.01)
            with database.transaction() as session:
                service.revoke(session, id)
            revoked = time.monotonic()
            assert list(events) == LAST_WORDS
            assert time.monotonic() - revoked < LONGEST_SECONDS
            waiting.join()
            [(status, answered)] = answers
            assert status == 401
            assert answered - revoked < LONGEST_SECONDS
            hand_of(database).claim()
            assert next(others)[2]["data"]["state"] == "running"
        assert come_back(lost) == 401


class TestOtherLosses:
    """Without the waiting, and on one database."""

    @pytest.fixture
    def settings(self, sqlite_settings, monkeypatch):
        monkeypatch.setattr(keyring, "REMEMBERED_SECONDS", 0.05)
        monkeypatch.setattr(held, "CHECK_EVERY_SECONDS", 0.05)
        return sqlite_settings

    def test_a_key_that_expires(self, create, listen, come_back):
        _, headers = create(lifetime=timedelta(seconds=0.5))
        with listen(headers) as events:
            assert list(events) == LAST_WORDS
        assert come_back(headers) == 401

    def test_a_service_that_needs_a_key_from_now_on(self, create, listen, come_back):
        with listen({}) as events:
            create()
            assert list(events) == LAST_WORDS
        assert come_back({}) == 401

    def test_a_reader_who_is_behind_gets_no_more(self, served, database, job, create, listen, hand_of, monkeypatch):
        monkeypatch.setattr(stream, "PAGE_BYTES", 1)  # a page for each event
        id, headers = create()
        hand = hand_of(database)
        lease, text = hand.claim(), "x" * 200_000
        hand.write(lease, *[("log", {"level": "info", "message": text})] * 200)  # more than all buffers between hold
        with listen(headers) as events:
            with database.transaction() as session:
                service.revoke(session, id)
            while not all(one.is_lost for one in served.parts.held_keys._held.values()):
                time.sleep(0.01)
            *received, last = events
        assert [last] == LAST_WORDS
        assert len(received) < 150
