"""One keeper at a time: the first wins, the next takes over when it resigns or falls silent."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from app.db.session import Database
from worker.keeper.election import Election
from worker.keeper.main import Keeper


@pytest.fixture
def candidate(settings):
    """Another process's candidacy, with a database of its own."""
    databases = []

    def stand(name, *, lease_seconds=30.0):
        databases.append(Database(settings.database))
        election = Election(databases[-1], lease=timedelta(seconds=lease_seconds))
        election._me = name
        return election

    yield stand
    for database in databases:
        database.dispose()


class TestOffice:
    def test_the_first_wins_and_keeps_it(self, candidate):
        first, second = candidate("a:1"), candidate("b:1")
        assert [first.win(), second.win(), first.win(), second.win()] == [True, False, True, False]

    def test_taken_over_when_the_lease_runs_out(self, candidate):
        first, second = candidate("a:1", lease_seconds=0.2), candidate("b:1")
        assert first.win()
        assert not second.win()
        time.sleep(0.3)
        assert second.win()
        assert not first.win()

    def test_taken_over_after_a_resignation(self, candidate):
        first, second = candidate("a:1"), candidate("b:1")
        assert first.win()
        first.resign()
        time.sleep(0.01)  # SQLite's clock counts milliseconds
        assert second.win()

    def test_who_has_no_office_cannot_give_it_away(self, candidate):
        first, second, third = candidate("a:1"), candidate("b:1"), candidate("c:1")
        assert first.win()
        second.resign()
        assert not third.win()

    def test_a_race_has_one_winner(self, candidate):
        candidates = [candidate(f"host:{number}") for number in range(6)]
        barrier, won = threading.Barrier(6), []

        def run(election):
            barrier.wait()
            if election.win():
                won.append(election._me)

        threads = [threading.Thread(target=run, args=(election,)) for election in candidates]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1

    def test_processes_have_names_of_their_own(self, database, monkeypatch):
        mine = Election(database, lease=timedelta(seconds=1))._me
        monkeypatch.setattr("os.getpid", lambda: 1)
        assert Election(database, lease=timedelta(seconds=1))._me != mine


class TestKeeper:
    @pytest.fixture
    def run(self, settings):
        """A keeper in a thread; stopped at the end."""
        over, threads = threading.Event(), []

        def start():
            keeper = Keeper(settings, over=over)
            threads.append((keeper, threading.Thread(target=keeper.run)))
            threads[-1][1].start()
            return keeper

        def stop():
            over.set()
            for keeper, thread in threads:
                thread.join()
                keeper._database.dispose()
            threads.clear()

        yield start, stop
        stop()

    @pytest.fixture
    def hints(self, settings, heard):
        """Wait for a hint on the embedded broker, which an idle worker would read."""
        settings.sweep_seconds = 0.05
        heard(1)

        def wait():
            folder, until = settings.folder("broker") / "queue", time.monotonic() + 10
            while not list(folder.glob("*.supercycle.msg")):
                assert time.monotonic() < until
                time.sleep(0.02)

        return wait

    def test_repeats_hints_and_resigns_at_the_end(self, run, queued, hints, candidate):
        queued()
        start, stop = run
        start()
        hints()
        other = candidate("b:1")
        assert not other.win()
        stop()
        time.sleep(0.01)
        assert other.win()

    def test_outlives_an_outage_of_the_database(self, settings, run, queued, hints, monkeypatch):
        start, _ = run
        with monkeypatch.context() as patch:
            outage = threading.Event()

            def refuse(_):
                outage.set()
                raise OperationalError("UPDATE keeper", {}, Exception("the server went away"))

            patch.setattr(Election, "win", refuse)
            keeper = start()
            assert outage.wait(10)
        assert keeper._sweeper._judging_from > time.monotonic() + settings.lease_seconds - 1  # it waits again
        queued()
        hints()

    @pytest.fixture
    def keeper(self, settings, monkeypatch):
        """One that looks after nothing but notes what it does: elected, with a check under way."""
        keeper = Keeper(settings, over=threading.Event())
        keeper.done = []
        keeper._duties = tuple(lambda name=name: keeper.done.append(name) for name in ("sweep", "check"))
        monkeypatch.setattr(keeper._importer, "stop", lambda: keeper.done.append("stop"))
        keeper._round()
        assert keeper.done == ["sweep", "check"]
        keeper.done.clear()
        yield keeper
        keeper._deliverer.stop()
        keeper._database.dispose()

    @pytest.mark.parametrize(
        ("silent_seconds", "done"),
        [(0.0, []), (3.0, ["stop"])],  # its lease lasts 2 s
    )
    def test_its_check_goes_on_for_a_lease_without_a_database(self, keeper, monkeypatch, silent_seconds, done):
        def refuse(_):
            raise OperationalError("UPDATE keeper", {}, Exception("the server went away"))

        monkeypatch.setattr(Election, "win", refuse)
        keeper._elected_until -= silent_seconds
        keeper._round()
        keeper._round()
        assert keeper.done == done

    def test_one_that_was_frozen_in_a_duty_asks_before_the_next(self, keeper, candidate):
        """Else it would judge what it began before another was elected."""

        def freeze():
            time.sleep(2.1)
            assert candidate("b:1").win()

        keeper._duties = (freeze, *keeper._duties)
        keeper._round()
        assert keeper.done == ["stop"]

    def test_after_a_long_duty_the_others_follow(self, keeper):
        keeper._duties = (lambda: time.sleep(2.1), *keeper._duties)
        keeper._round()
        assert keeper.done == ["sweep", "check"]

    def test_a_duty_that_fails_keeps_no_other_from_being_done(self, run, hints, monkeypatch):
        def fail(_):
            raise RuntimeError("a bug")

        monkeypatch.setattr("worker.keeper.main.log.exception", lambda *_, **__: None)
        monkeypatch.setattr("worker.keeper.sweeper.Sweeper._reclaim_lost", fail)
        collected = threading.Event()
        monkeypatch.setattr("worker.keeper.main.Collector.collect", lambda _: collected.set())
        start, _ = run
        start()
        assert collected.wait(10)
