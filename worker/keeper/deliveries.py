"""Sends events to webhooks, in a few threads of its own: no receiver, however slow, holds up the keeper's loop."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import structlog

from app.db.session import DATABASE_DOWN, Database
from app.webhooks import due
from app.webhooks.due import Due, Outcome

log = structlog.get_logger()

MOST_THREADS = 16
MOST_PER_WEBHOOK = 2  #: a receiver that hangs may keep so many threads waiting, and the rest serve the others
HOLD = timedelta(seconds=60)  #: longer than an attempt takes; after it, a keeper that died is taken not to have sent
FORGET_EVERY_SECONDS = 600.0


class Deliverer:
    """Starts as many threads as there is work for; each sends what is due until nothing is."""

    def __init__(
        self,
        database: Database,
        *,
        send: Callable[[Due], Outcome],
        hold: timedelta = HOLD,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._send = send
        self._hold = hold
        self._jitter = jitter
        self._changing = threading.Lock()
        self._under_way: Counter[str] = Counter()  #: attempts, by webhook
        self._threads: set[threading.Thread] = set()
        self._over = threading.Event()
        self._forget_at = 0.0

    def advance(self) -> None:
        """See to what is due; never waits for a receiver."""
        self._over.clear()
        self._forget_old()
        with self._changing:
            free, full = MOST_THREADS - len(self._threads), self._full()
        if free:
            with self._database.reading() as session:
                count = due.count_due(session, most=free, full=full)
            for _ in range(count):
                self._start()

    def stop(self, *, patience_seconds: float = 0.0) -> None:
        """Begin nothing more; what is still under way after `patience_seconds` is sent again by another keeper."""
        self._over.set()
        deadline = time.monotonic() + patience_seconds
        with self._changing:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start(self) -> None:
        # Daemons: the process need not wait for a receiver before it ends.
        thread = threading.Thread(target=self._work, name="delivery", daemon=True)
        with self._changing:
            self._threads.add(thread)
        thread.start()

    def _work(self) -> None:
        try:
            while not self._over.is_set() and (mine := self._claim()) is not None:
                self._deliver(mine)
        except DATABASE_DOWN as error:
            log.warning("the database does not answer", error=str(error))
        except Exception:
            log.exception("a delivery failed; it is sent again")
        finally:
            with self._changing:
                self._threads.discard(threading.current_thread())

    def _claim(self) -> Due | None:
        with self._changing:  # one at a time, so that none goes over its webhook's share
            with self._database.transaction() as session:
                mine = due.claim(session, hold=self._hold, full=self._full())
            if mine is not None:
                self._under_way[mine.webhook_id] += 1
        return mine

    def _deliver(self, mine: Due) -> None:
        try:
            outcome = self._send(mine)
        except Exception:
            log.exception("an event could not be sent", webhook_id=mine.webhook_id, event_id=mine.event_id)
            outcome = Outcome(0, error="The service met an error it did not foresee; the keeper's log says more.")
        finally:
            with self._changing:
                self._under_way[mine.webhook_id] -= 1
        with self._database.transaction() as session:
            due.note(session, mine, outcome, jitter=self._jitter())
        facts = {"status": outcome.status, "error": outcome.error, "attempt": mine.attempt}
        log.info("event sent", webhook_id=mine.webhook_id, event_id=mine.event_id, **facts)

    def _full(self) -> list[str]:
        return [id for id, count in self._under_way.items() if count >= MOST_PER_WEBHOOK]

    def _forget_old(self) -> None:
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + FORGET_EVERY_SECONDS
            with self._database.transaction() as session:
                due.forget_old(session)
