"""Wake-ups over a real Redis, through a proxy that can be closed: listeners hear at once, or poll."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
import redis
from structlog.testing import capture_logs

from app import wakes
from app.config import Settings
from app.db.session import Database
from app.jobs import watcher
from app.jobs.repository import JobRepository, NewEvent
from app.jobs.watcher import Watcher
from app.wakes import Announcer, Subscriber, announcer, channel_of, subscriber

JOB = "job_" + "0" * 26


class Proxy:
    """Stands between a test and Redis, on a port that stays the same while it is shut."""

    def __init__(self, target):
        self._target = target
        self._open = set()
        self.is_frozen = False  #: connections stay, and nothing comes through
        self.port = None
        self.start()

    def start(self):
        self._listener = socket.create_server(("127.0.0.1", self.port or 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self):
        """Cut every connection and refuse new ones."""
        for each in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._open |= {near, far}
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.is_frozen:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(redis_url):
    kwargs = redis.ConnectionPool.from_url(redis_url).connection_kwargs
    proxy = Proxy((kwargs["host"], kwargs.get("port", 6379)))
    yield proxy
    proxy.shut()


@pytest.fixture
def proxied_url(proxy, redis_url):
    return f"redis://127.0.0.1:{proxy.port}/{redis_url.rpartition('/')[2]}"


@pytest.fixture
def channel(redis_url):
    """What is published for the service's database."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client, client.pubsub() as pubsub:
        pubsub.subscribe(channel_of(client))
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        yield lambda timeout=5.0: (pubsub.get_message(timeout=timeout) or {}).get("data")


async def until(claim):
    """Wait until a claim is true; a hang is the test's time limit."""
    while not claim():
        await asyncio.sleep(0.005)


def move(database, job_id):
    """Add an event to the job's history."""
    with database.transaction() as session:
        jobs = JobRepository(session)
        jobs.append(jobs.lock(job_id), [NewEvent("log", {"level": "info", "message": "x"})])


class TestWhere:
    def test_only_with_redis(self, tmp_path):
        embedded = Settings(data_dir=tmp_path)
        assert (announcer(embedded), subscriber(embedded)) == (None, None)
        served = Settings(broker_url="rediss://somewhere:6380/2")
        assert isinstance(announcer(served), Announcer)
        assert isinstance(subscriber(served), Subscriber)

    def test_each_database_of_a_redis_has_a_channel_of_its_own(self):
        urls = ("redis://127.0.0.1:1", "redis://127.0.0.1:1/7")
        assert [channel_of(redis.Redis.from_url(url)) for url in urls] == ["supercycle.jobs.0", "supercycle.jobs.7"]


class TestAnnouncing:
    @pytest.fixture
    def announcing(self, settings, redis_url):
        database = Database(settings.database, announce=Announcer(redis_url))
        yield database
        database.dispose()

    def test_once_for_a_transaction_after_its_commit(self, announcing, put_job, channel):
        job = put_job(announcing)
        assert channel() == job
        with announcing.transaction() as session:
            jobs = JobRepository(session)
            for _ in range(3):
                jobs.append(jobs.lock(job), [NewEvent("log", {"level": "info", "message": "x"})])
            assert channel(timeout=0.1) is None  # not before the commit
        assert channel() == job
        assert channel(timeout=0.1) is None

    def test_not_what_was_rolled_back_nor_what_moved_nothing(self, announcing, put_job, channel):
        job = put_job(announcing)
        assert channel() == job
        with pytest.raises(ZeroDivisionError):
            self._move_and_fail(announcing, job)
        with announcing.transaction() as session:
            JobRepository(session).lock(job)
        assert channel(timeout=0.1) is None

    def _move_and_fail(self, database, job):
        with database.transaction() as session:
            jobs = JobRepository(session)
            jobs.append(jobs.lock(job), [NewEvent("log", {"level": "info", "message": "x"})])
            raise ZeroDivisionError

    def test_a_redis_that_is_away_delays_no_commit_and_is_logged_once(self, settings, put_job, proxy, proxied_url):
        database = Database(settings.database, announce=Announcer(proxied_url))
        proxy.shut()
        with capture_logs() as logs:
            began = time.monotonic()
            for _ in range(20):
                put_job(database)
            assert time.monotonic() - began < 5
            time.sleep(2.5)  # two more tries
            put_job(database)
        database.dispose()
        assert [entry["event"] for entry in logs] == ["Redis does not take wake-ups; listeners poll"]

    def test_it_goes_on_when_redis_is_back(self, proxy, proxied_url, channel):
        announce = Announcer(proxied_url)
        announce(frozenset({JOB}))
        assert channel() == JOB
        proxy.shut()
        announce(frozenset({"lost"}))
        proxy.start()
        heard = None
        while heard != JOB:
            announce(frozenset({JOB}))
            heard = channel(timeout=0.2)


class TestHearing:
    """A watcher whose own polling would take far longer than the test has."""

    @pytest.fixture(autouse=True)
    def _patient(self, monkeypatch):
        monkeypatch.setattr(watcher, "FALLBACK_SECONDS", 1000.0)

    def test_a_wake_up_is_followed_by_a_poll(self, database, put_job, redis_url):
        job = put_job(database)

        async def follow():
            ears = Subscriber(redis_url)
            watching = Watcher(database, subscriber=ears)
            waiting = asyncio.create_task(watching.until(job, lambda head: head.last_seq > 1, timeout_seconds=30))
            await until(lambda: ears.is_on)
            await asyncio.sleep(0.1)  # the polls of the start are over
            move(database, job)
            await asyncio.sleep(0.3)
            was_waiting = not waiting.done()  # nobody has said so
            announce = Announcer(redis_url)
            announce(frozenset({"job_of_somebody_else"}))
            announce(frozenset({job}))
            head = await waiting
            await watching.close()
            return was_waiting, head

        was_waiting, head = asyncio.run(follow())
        assert was_waiting
        assert head.last_seq == 2

    def test_one_that_came_before_its_listener_is_not_missed(self, database, put_job, redis_url):
        first, second = put_job(database), put_job(database)

        async def follow():
            ears = Subscriber(redis_url)
            watching = Watcher(database, subscriber=ears)
            keeping = asyncio.create_task(watching.until(second, lambda head: False, timeout_seconds=60))
            await until(lambda: ears.is_on)
            await asyncio.sleep(0.1)
            move(database, first)
            head = await watching.until(first, lambda head: head.last_seq > 1, timeout_seconds=30)
            keeping.cancel()
            await watching.close()
            return head

        assert asyncio.run(follow()).last_seq == 2

    def test_without_redis_it_polls_and_hears_again_later(self, database, put_job, proxy, proxied_url):
        job = put_job(database)

        async def follow():
            ears = Subscriber(proxied_url)
            watching = Watcher(database, subscriber=ears)
            waiting = asyncio.create_task(watching.until(job, lambda head: head.last_seq > 1, timeout_seconds=60))
            await until(lambda: ears.is_on)
            proxy.shut()
            await until(lambda: not ears.is_on)
            move(database, job)
            watching._bell.set()  # the pause that began while Redis was there ends as its fallback would
            seen = [(await waiting).last_seq]
            waiting = asyncio.create_task(watching.until(job, lambda head: head.last_seq > 2, timeout_seconds=60))
            await asyncio.sleep(2.5)  # some vain tries
            move(database, job)
            seen.append((await waiting).last_seq)  # by polling alone
            proxy.start()
            await until(lambda: ears.is_on)
            await watching.close()
            return seen

        with capture_logs() as logs:
            assert asyncio.run(follow()) == [2, 3]
        told = [entry["event"] for entry in logs]
        assert told == ["Redis brings no wake-ups; the watcher polls", "Redis brings wake-ups again"]

    def test_a_redis_that_falls_silent_is_left(self, proxy, proxied_url, monkeypatch):
        monkeypatch.setattr(wakes, "SILENCE_SECONDS", 0.2)

        async def follow():
            ears = Subscriber(proxied_url)
            listening = asyncio.create_task(ears.listen(lambda job_id: None))
            await until(lambda: ears.is_on)
            await asyncio.sleep(1)  # as long as it answers, silence is no fault
            stayed = ears.is_on
            proxy.is_frozen = True
            await until(lambda: not ears.is_on)
            listening.cancel()
            return stayed

        with capture_logs() as logs:
            assert asyncio.run(follow())
        assert [entry["error"] for entry in logs] == ["nobody answers a ping"]
