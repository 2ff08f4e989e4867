"""The keeper's loop: one elected process that sweeps, checks datasets and sends events.

`python -m worker.keeper` runs it.
"""

import argparse
import signal
import threading
import time
from collections.abc import Callable

import structlog

from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.datasets.quotas import Quota
from app.db.session import DATABASE_DOWN, Database
from app.logs import configure_logs
from app.parent import follow_stdin
from app.queue import CeleryQueue
from app.wakes import announcer
from worker.keeper.collector import Collector
from worker.keeper.coordinator import Coordinator
from worker.keeper.deliveries import Deliverer
from worker.keeper.election import Election
from worker.keeper.import_desk import ImportDesk
from worker.keeper.imports import Importer
from worker.keeper.sending import Sender
from worker.keeper.stored_sets import StoredSets
from worker.keeper.sweeper import Sweeper

log = structlog.get_logger()

STOP_SECONDS = 2.0  #: for what is being sent; the next keeper sends again what takes longer


def main() -> None:
    """Keep house until told to stop."""
    parser = argparse.ArgumentParser(
        prog="supercycle keeper", description="Housekeeping; several may run, one is elected."
    )
    parser.add_argument("--follow-stdin", action="store_true", help="stop when standard input ends")
    if parser.parse_args().follow_stdin:
        follow_stdin()
    configure_logs("keeper")
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    Keeper(Settings(), over=over).run()


class Keeper:
    """One candidate for keeping house."""

    def __init__(self, settings: Settings, *, over: threading.Event) -> None:
        self._settings = settings
        self._over = over
        self._database = Database(settings.database, announce=announcer(settings))
        self._election = Election(self._database, lease=settings.lease)
        queue = CeleryQueue(settings)
        self._sweeper = Sweeper(database=self._database, queue=queue, settings=settings)
        store = ArtifactStore(settings.storage)
        self._coordinator = Coordinator(self._database, store, settings, queue=queue)
        quota, floor = Quota.of(settings), settings.disk_floor_bytes
        self._importer = Importer(self._database, store, quota=quota, floor_bytes=floor)
        self._import_desk = ImportDesk(self._database, settings)
        self._stored_sets = StoredSets(self._database, store, settings)
        self._collector = Collector(self._database, settings, store=store)
        sender = Sender(private_allowed=settings.webhook_private_hosts)
        self._deliverer = Deliverer(self._database, send=sender.send)
        self._duties: tuple[Callable[[], object], ...] = (
            self._sweeper.sweep,
            self._coordinator.advance,
            self._importer.advance,
            self._import_desk.advance,
            self._deliverer.advance,
            self._collector.collect,
            self._stored_sets.look_after,
        )
        self._elected = False
        self._elected_until = 0.0  #: by this process's clock; the database's lease ends no sooner

    def run(self) -> None:
        """Until told to stop."""
        try:
            while not self._over.wait(self._settings.sweep_seconds):
                self._round()
        finally:
            self._importer.stop()
            self._coordinator.stop()
            self._give_back()
            self._deliverer.stop(patience_seconds=STOP_SECONDS)
        if self._elected:
            self._election.resign()
        self._database.dispose()

    def _round(self) -> None:
        if not self._stand():
            return
        for duty in self._duties:
            # It was frozen, or the last duty took long: another one may have been elected.
            if time.monotonic() > self._elected_until and not self._stand():
                return
            self._do(duty)

    def _stand(self) -> bool:
        """Take or renew the office. What is under way is put down once somebody else has it, or may have it."""
        was_elected, asked = self._elected, time.monotonic()
        try:
            self._elected = won = self._election.win()
        except DATABASE_DOWN as error:
            self._sweeper.pause()
            log.warning("the database does not answer", error=str(error))
            won, self._elected = False, was_elected and time.monotonic() < self._elected_until
        else:
            self._elected_until = asked + self._settings.lease_seconds
        if was_elected and not self._elected:
            self._put_down()
        return won

    def _put_down(self) -> None:
        self._importer.stop()
        self._coordinator.stop()
        self._give_back()
        self._deliverer.stop()
        self._sweeper.pause()

    def _give_back(self) -> None:
        """An import under way; where the database is down, its lease ends by itself."""
        try:
            self._import_desk.stop()
        except DATABASE_DOWN as error:
            log.warning("the database does not take an import back", error=str(error))

    def _do(self, duty: Callable[[], object]) -> None:
        """One duty that fails must not keep the others from being done."""
        try:
            duty()
        except DATABASE_DOWN as error:
            self._sweeper.pause()
            log.warning("the database does not answer", error=str(error))
        except Exception:
            log.exception("a duty failed; the next round tries again", duty=duty.__qualname__)
