"""Keys that something is open by: each looked at once in a while, whoever holds it, and only while somebody does."""

import asyncio
from contextlib import ExitStack, asynccontextmanager

import pytest
from structlog.testing import capture_logs

from app.api_keys import held, keyring
from app.api_keys.held import HeldKeys
from app.callers import administrator
from app.errors import Unauthorized
from app.jobs import watcher


class Ring:
    """A keyring that counts what it is asked."""

    def __init__(self):
        self.asked = []
        self.answer = {}

    async def caller_of(self, authorization):
        self.asked.append(authorization)
        if authorization in self.answer:
            raise self.answer[authorization]
        return administrator()


@pytest.fixture
def ring(monkeypatch):
    monkeypatch.setattr(held, "CHECK_EVERY_SECONDS", 0.02)
    return Ring()


@asynccontextmanager
async def holding(ring, *headers):
    keys = HeldKeys(ring)
    with ExitStack() as stack:
        yield keys, [stack.enter_context(keys.hold(header)) for header in headers]
    await keys.close()


async def until(claim):
    while not claim():  # a hang is the test's time limit
        await asyncio.sleep(0.005)


def refusal():
    return Unauthorized("unauthorized", "", "")


def test_the_promise_is_kept_however_unluckily_the_times_fall():
    assert keyring.REMEMBERED_SECONDS + held.CHECK_EVERY_SECONDS + watcher.FALLBACK_SECONDS <= 4  # of 5 seconds


def test_one_look_serves_all_who_hold_a_key(ring):
    async def hold():
        async with holding(ring, *["a"] * 200, "b"):
            await until(lambda: len(ring.asked) >= 6)
        return ring.asked[:6]

    assert asyncio.run(hold()) == ["a", "b"] * 3


def test_a_key_that_is_lost_is_lost_for_all_who_hold_it_and_for_nobody_else(ring):
    async def hold():
        async with holding(ring, "a", "a", "b") as (_, held):
            ring.answer["a"] = refusal()
            await until(lambda: held[0].is_lost)
            return [one.is_lost for one in held]

    assert asyncio.run(hold()) == [True, True, False]


def test_nobody_is_asked_for_a_key_that_was_let_go(ring):
    async def hold():
        keys = HeldKeys(ring)
        with keys.hold("a"):
            with keys.hold("a"), keys.hold("b"):
                await until(lambda: len(ring.asked) >= 2)
            ring.asked.clear()
            await until(lambda: len(ring.asked) >= 2)
        await until(keys._checker.done)
        with keys.hold("c"):
            await until(lambda: ring.asked[-1] == "c")
        await keys.close()
        return ring.asked

    assert set(asyncio.run(hold())) == {"a", "c"}


def test_a_database_that_is_away_loses_no_key(ring):
    from sqlalchemy.exc import OperationalError

    async def hold():
        async with holding(ring, "a") as (_, [one]):
            ring.answer["a"] = OperationalError("SELECT", {}, ConnectionError("away"))
            await until(lambda: len(ring.asked) >= 3)
            assert not one.is_lost
            ring.answer["a"] = refusal()
            await until(lambda: one.is_lost)

    with capture_logs() as logs:
        asyncio.run(hold())
    assert logs[0]["event"] == "the keys of open streams cannot be read"
