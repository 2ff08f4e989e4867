"""Two hundred listeners on one real process, and a process that is killed under them."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from app.config import Settings
from app.db.session import Database
from app.domain.lifecycle import JobState
from app.wakes import announcer

LISTENERS = 200


@pytest.fixture(scope="module", params=["embedded", "servers"])
def settings(request, tmp_path_factory, migrated_file):
    """SQLite and polling, and PostgreSQL with wake-ups over Redis."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        shutil.copy(migrated_file, folder)
        return Settings(data_dir=folder)
    database, broker = (request.getfixturevalue(name) for name in ("empty_postgresql", "redis_url"))
    return Settings(data_dir=folder, database_url=database(), broker_url=broker)


@pytest.fixture(scope="module")
def database(settings):
    database = Database(settings.database, announce=announcer(settings))
    yield database
    database.dispose()


class Api:
    """One API process on a port that stays the same when it is started again."""

    def __init__(self, settings, port):
        self.port, self.http = port, httpx.Client(base_url=f"http://127.0.0.1:{port}")
        names = ("data_dir", "database_url", "broker_url")
        given = {f"SUPERCYCLE_{name.upper()}": str(getattr(settings, name)) for name in names}
        self._environment = os.environ | given

    def start(self):
        command = [sys.executable, "-m", "app.main", "--port", str(self.port), "--follow-stdin"]
        self.process = subprocess.Popen(command, env=self._environment, stdin=subprocess.PIPE)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                self.http.get("/healthz")
                return
            time.sleep(0.02)
        raise AssertionError("the API did not start")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


@pytest.fixture(scope="module")
def api(settings):
    """One for all tests: to start it takes longer than most of them."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        api = Api(settings, probe.getsockname()[1])
    api.start()
    yield api
    api.kill()
    api.http.close()


@pytest.fixture
def hand(database, hand_of):
    return hand_of(database)


@pytest.fixture
def job(database, put_job):
    return put_job(database)


async def listen(port, job, seen):
    """Add the seq of each whole event to `seen`, from the last one there on, until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    last = f"Last-Event-ID: {seen[-1]}\r\n" if seen else ""
    writer.write(
        f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n{last}\r\n".encode()
    )
    status = (await reader.readline()).split()[1]
    assert status == b"200"
    pending = None
    try:
        while line := await reader.readline():
            if line.startswith(b"id: "):
                pending = int(line[4:])
            elif not line.strip() and pending is not None:
                seen.append(pending)
                pending = None
            elif line == b"0\r\n":
                return
    finally:
        writer.close()


async def come_back(port, job, seen, last):
    """Listen as an EventSource does: again with Last-Event-ID whenever the connection broke."""
    while not seen or seen[-1] < last:
        with contextlib.suppress(OSError, IndexError):  # refused, reset, or ended before a status line
            await listen(port, job, seen)
        await asyncio.sleep(0.05)


def write(hand, count):
    lease = hand.claim()
    for number in range(count):
        events = [("log", {"level": "info", "message": f"{number}.{part}"}) for part in range(1 + number % 3)]
        hand.write(lease, *events)
        time.sleep(0.01)
    hand.do("finish", lease, JobState.SUCCEEDED)


class TestSlowReaders:
    """First: what the process took for others and keeps would hide what it takes for these."""

    def test_make_nobody_wait_and_pile_nothing_up(self, api, hand, job):
        lease = hand.claim()
        text = "x" * 20_000
        hand.write(lease, *[("log", {"level": "info", "message": text})] * 500)  # 10 MB of history
        hand.do("finish", lease, JobState.SUCCEEDED)
        asyncio.run(self._follow(api, job))

    async def _follow(self, api, job):
        before = resident_bytes(api.process.pid)
        lazy = [await asyncio.open_connection("127.0.0.1", api.port, limit=1024) for _ in range(50)]
        for _, writer in lazy:
            address = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
            writer.write(address.encode())
        for reader, _ in lazy:
            assert b"200" in await reader.readline()  # and reads no more than fills its buffers
        seen = []
        await listen(api.port, job, seen)
        assert seen == list(range(1, 504))
        assert resident_bytes(api.process.pid) - before < 60 << 20  # of 500 MB that are on their way to all
        for _, writer in lazy:
            writer.transport.abort()


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123 - a pseudo-file
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class TestTwoHundred:
    def test_each_gets_every_event_once_and_others_are_answered(self, api, hand, job):
        count = 90
        last = 3 + count * 2

        async def follow():
            seen = [[] for _ in range(LISTENERS)]
            listeners = asyncio.gather(*(listen(api.port, job, own) for own in seen))
            while not all(seen):  # a hang is the test's time limit
                await asyncio.sleep(0.05)
            writer = threading.Thread(target=write, args=(hand, count))
            writer.start()
            waits = await self._ask(api.port, job, while_alive=writer)
            await listeners
            writer.join()
            return seen, waits

        seen, waits = asyncio.run(follow())
        assert seen == [list(range(1, last + 1))] * LISTENERS
        assert len(waits) >= 10
        assert max(waits) < 2  # seconds; a listener's turn costs a fraction of a millisecond

    async def _ask(self, port, job, *, while_alive):
        waits = []
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            while while_alive.is_alive():
                asked = time.monotonic()
                assert (await client.get(f"/v1/jobs/{job}")).status_code == 200
                waits.append(time.monotonic() - asked)
                await asyncio.sleep(0.02)
        return waits


class TestRestart:
    def test_nothing_is_lost_or_repeated(self, api, hand, job):
        count = 90
        last = 3 + count * 2

        async def follow():
            seen = [[] for _ in range(20)]
            listeners = asyncio.gather(*(come_back(api.port, job, own, last) for own in seen))
            writer = threading.Thread(target=write, args=(hand, count))
            writer.start()
            while min(len(own) for own in seen) < 20:
                await asyncio.sleep(0.01)
            api.kill()
            broke_at = max(own[-1] for own in seen)
            await asyncio.to_thread(api.start)
            await listeners
            writer.join()
            return seen, broke_at

        seen, broke_at = asyncio.run(follow())
        assert broke_at < last  # it was killed in the middle
        assert seen == [list(range(1, last + 1))] * 20
