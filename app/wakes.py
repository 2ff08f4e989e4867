"""Wake-ups between processes over Redis: a commit that adds to a job's history says so on a channel.

They only save waiting for the next poll. The rows are the truth, so whatever becomes of a wake-up loses nothing.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import redis.asyncio
import structlog
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.config import Settings

log = structlog.get_logger()

PATIENCE_SECONDS = 1.0  #: a Redis that takes longer to answer is away
PAUSE_SECONDS = 1.0  #: before one that was away is tried again
SILENCE_SECONDS = 5.0  #: after so long without a word the subscriber asks whether anybody is there
MOST_WAITING = 1000  #: transactions whose wake-ups are still to be sent; more are not worth keeping


def redis_url(settings: Settings) -> str | None:
    """Where wake-ups go; None with a broker that is no Redis."""
    return settings.broker if settings.broker.startswith(("redis://", "rediss://")) else None


def announcer(settings: Settings) -> "Announcer | None":
    """What a `Database` tells of jobs that have moved; None where nothing carries it."""
    url = redis_url(settings)
    return None if url is None else Announcer(url)


def subscriber(settings: Settings) -> "Subscriber | None":
    """What wakes the API's watcher; None where it polls by itself."""
    url = redis_url(settings)
    return None if url is None else Subscriber(url)


def channel_of(client: redis.Redis | redis.asyncio.Redis) -> str:
    """The channel's name. Redis has one set of channels for all of its databases, and a service owns one of those."""
    return f"supercycle.jobs.{client.get_connection_kwargs().get('db') or 0}"


class Announcer:
    """Publishes the ids of jobs from a thread of its own, so that no commit ever waits for Redis."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: SimpleQueue[frozenset[str]] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, job_ids: frozenset[str]) -> None:
        """Say that these have moved: soon, once each, or never if Redis is away."""
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put(job_ids)
        with self._starting:
            if self._thread is None or not self._thread.is_alive():  # not before it is needed, and anew in a fork
                self._thread = self._start()

    def _start(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._publish_for_ever, name="wakes", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no more, or the process is about to end
            log.warning("no thread for wake-ups; listeners poll", error=str(error))
            return None
        return thread

    def _publish_for_ever(self) -> None:
        client = redis.Redis.from_url(self._url, **_patience())
        channel, is_away = channel_of(client), False
        while True:
            try:
                with client.pipeline(transaction=False) as pipeline:
                    for job_id in self._next():
                        pipeline.publish(channel, job_id)
                    pipeline.execute()
                is_away = False
            except (RedisError, OSError) as error:
                if not is_away:
                    log.warning("Redis does not take wake-ups; listeners poll", error=str(error))
                is_away = True
                time.sleep(PAUSE_SECONDS)

    def _next(self) -> set[str]:
        """Every job that has moved since the last time, once; waits for the first."""
        ids = set(self._waiting.get())
        try:
            while True:
                ids |= self._waiting.get_nowait()
        except Empty:
            return ids


class Subscriber:
    """Hears which jobs have moved; `is_on` says whether it would."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_away = False
        self.is_on = False

    async def listen(self, wake: Callable[[str | None], None]) -> None:
        """Call `wake` with the id of each job that has moved, for ever.

        And with None whenever it has (re)joined the channel: what was said before then it has missed.
        """
        while True:
            try:
                await self._stay_on(wake)
            except (RedisError, OSError) as error:
                if not self._is_away:
                    log.warning("Redis brings no wake-ups; the watcher polls", error=str(error))
                self._is_away = True
            finally:
                self.is_on = False
            await asyncio.sleep(PAUSE_SECONDS)

    async def _stay_on(self, wake: Callable[[str | None], None]) -> None:
        async with (
            redis.asyncio.Redis.from_url(self._url, decode_responses=True, **_patience()) as client,
            client.pubsub() as channel,
        ):
            await channel.subscribe(channel_of(client))
            is_silent = False
            while True:
                message = await channel.get_message(timeout=SILENCE_SECONDS)
                if message is None:
                    if is_silent:
                        raise TimeoutError("nobody answers a ping")
                    await channel.ping()
                is_silent = message is None
                if message is not None:
                    self._take(message, wake)

    def _take(self, message: dict[str, Any], wake: Callable[[str | None], None]) -> None:
        if message["type"] == "subscribe":
            if self._is_away:
                log.info("Redis brings wake-ups again")
            self.is_on, self._is_away = True, False
            wake(None)
        elif message["type"] == "message":
            wake(message["data"])


def _patience() -> dict[str, Any]:
    return {
        "socket_timeout": PATIENCE_SECONDS,
        "socket_connect_timeout": PATIENCE_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
