"""Server-sent events over a real connection: live, resumable, and closed when there is no more to come."""

import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from app.domain.lifecycle import JobState
from app.jobs import stream, watcher


@pytest.fixture
def keepalive_seconds():
    return stream.KEEPALIVE_SECONDS


@pytest.fixture
def served(serve, sqlite_settings, keepalive_seconds):
    return serve(sqlite_settings, keepalive_seconds=keepalive_seconds)


@pytest.fixture
def hand(served, hand_of):
    return hand_of(served.parts.database)


@pytest.fixture
def job(served, put_job):
    return put_job(served.parts.database)


@pytest.fixture
def listen(served, job, parse_events):
    """Open the stream; what it yields are (name, id, data), or a comment's text."""

    @contextmanager
    def open_stream(last_event_id=None, query=""):
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        url = f"{served.url}/v1/jobs/{job}/events{query}"
        with httpx.stream("GET", url, headers=headers, timeout=10) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            yield parse_events(response.iter_lines())

    return open_stream


def log(number):
    return "log", {"level": "info", "message": str(number)}


class TestLive:
    def test_events_arrive_as_they_are_written(self, hand, job, listen):
        with listen() as events:
            name, seq, event = next(events)
            assert (name, seq, event["data"]["state"]) == ("state", 1, "queued")
            lease = hand.claim()
            assert next(events)[2]["data"]["state"] == "running"
            for number in range(3):
                hand.write(lease, log(number))
                written = time.monotonic()
                name, seq, event = next(events)
                assert time.monotonic() - written < 2
                assert (name, seq) == ("log", 3 + number)
                assert event.keys() == {"seq", "type", "time", "attempt", "data"}
                assert (event["seq"], event["data"]["message"]) == (seq, str(number))

    def test_a_writer_in_another_thread_loses_nothing(self, hand, job, listen):
        count = 60

        def write():
            lease = hand.claim()
            for number in range(count):
                hand.write(lease, log(number))
            hand.do("finish", lease, JobState.SUCCEEDED)

        writer = threading.Thread(target=write)
        writer.start()
        with listen() as events:
            received = list(events)  # ends by itself after the terminal event
        writer.join()
        assert [seq for _, seq, _ in received] == list(range(1, count + 4))
        assert received[-1][2]["data"] == {"state": "succeeded", "previous": "running"}

    def test_many_listeners_share_one_poller(self, served, hand, job, listen, monkeypatch):
        reads = []
        original = watcher.Watcher._heads
        monkeypatch.setattr(watcher.Watcher, "_heads", lambda self: reads.append(1) or original(self))
        ends = []

        def follow():
            with listen() as events:
                ends.append([seq for _, seq, _ in events])

        threads = [threading.Thread(target=follow) for _ in range(5)]
        for thread in threads:
            thread.start()
        listeners = served.parts.watcher._listeners
        while len(listeners.get(job, ())) < 5:  # a hang is the test's time limit
            time.sleep(0.01)
        reads.clear()
        time.sleep(1)
        assert 1 <= len(reads) <= 10  # one in 0.1 s, however many listen
        hand.do("finish", hand.claim(), JobState.SUCCEEDED)
        for thread in threads:
            thread.join()
        assert ends == [[1, 2, 3]] * 5


class TestResume:
    @pytest.mark.parametrize("seen", [1, 2, 4])
    def test_without_loss_or_repeat(self, hand, job, listen, seen):
        lease = hand.claim()
        hand.write(lease, *[log(number) for number in range(3)])
        with listen(last_event_id=str(seen)) as events:
            received = [next(events)[1] for _ in range(seen + 1, 6)]
            hand.do("finish", lease, JobState.CANCELLED)
            received += [seq for _, seq, _ in events]
        assert received == list(range(seen + 1, 7))

    def test_the_header_wins_over_the_address(self, hand, job, listen):
        hand.do("finish", hand.claim(), JobState.SUCCEEDED)
        with listen(last_event_id="2", query="?after=0") as events:
            assert [seq for _, seq, _ in events] == [3]

    def test_a_long_history_comes_whole(self, hand, job, listen):
        lease = hand.claim()
        hand.write(lease, *[log(number) for number in range(2 * stream.MOST_EVENTS)])
        hand.do("finish", lease, JobState.SUCCEEDED)
        with listen() as events:
            assert [seq for _, seq, _ in events] == list(range(1, 2 * stream.MOST_EVENTS + 4))

    @pytest.mark.parametrize("value", ["x", "-1", "1.5", "9" * 19, str(2**31)])
    def test_ids_that_are_none(self, served, job, value):
        headers = {"Accept": "text/event-stream", "Last-Event-ID": value}
        response = httpx.get(f"{served.url}/v1/jobs/{job}/events", headers=headers)
        assert response.status_code == 422
        assert response.json()["errors"][0]["parameter"] == "Last-Event-ID"


class TestEnd:
    @pytest.mark.parametrize(("seen", "status"), [("3", 204), ("99", 204), ("2", 200)])
    def test_seen_to_the_end_is_204(self, served, hand, job, seen, status):
        hand.do("finish", hand.claim(), JobState.SUCCEEDED)
        headers = {"Accept": "text/event-stream", "Last-Event-ID": seen}
        assert httpx.get(f"{served.url}/v1/jobs/{job}/events", headers=headers).status_code == status

    def test_of_a_job_that_is_deleted(self, served, job, listen):
        with listen() as events:
            next(events)
            with served.parts.database.transaction() as session:
                session.connection().exec_driver_sql("DELETE FROM jobs")
            assert list(events) == []

    def test_of_a_listener_that_is_ahead_of_the_job(self, hand, job, listen):
        lease = hand.claim()
        with listen(last_event_id="99") as events:
            threading.Timer(0.3, lambda: hand.do("finish", lease, JobState.SUCCEEDED)).start()
            assert list(events) == []

    def test_of_a_job_that_is_not_there(self, served):
        headers = {"Accept": "text/event-stream"}
        assert httpx.get(f"{served.url}/v1/jobs/job_{'0' * 26}/events", headers=headers).status_code == 404


class TestKeepAlive:
    @pytest.fixture
    def keepalive_seconds(self):
        return 0.15

    def test_a_comment_now_and_then(self, hand, job, listen):
        with listen() as events:
            next(events)
            assert [next(events) for _ in range(3)] == ["still here"] * 3
            hand.do("finish", hand.claim(), JobState.SUCCEEDED)
            rest = [entry[1] for entry in events if entry != "still here"]
        assert rest == [2, 3]
