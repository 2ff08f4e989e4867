"""Cached pixels go with their data set, or when no job has opened them for long, and never under a job."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.db.tables import DatasetTable
from app.domain.lifecycle import ENDED, LIVE, JobState
from app.ids import new_id
from worker.datasets.cache_facts import FORMAT, write_facts
from worker.keeper.collector import KEPT_SECONDS, Collector

HOUR, DAY = 3600, 86_400
NOW = datetime.now(UTC)


@pytest.fixture
def settings(sqlite_settings):
    sqlite_settings.unused_cache_days = 7
    return sqlite_settings


@pytest.fixture
def entry(settings):
    """Make one; `seconds` ago it was last opened."""

    def make(version, *, seconds, name="0a-32", **facts):
        folder = settings.folder("cache") / name
        folder.mkdir()
        write_facts(folder, {"format": FORMAT, "version": version, "built_in": False} | facts)
        (folder / "train-images.npy").write_bytes(b"pixels")
        os.utime(folder, (time.time() - seconds,) * 2)
        return folder

    return make


@pytest.fixture
def pets(database):
    """The version of a set that is there."""
    facts = {"owner": "ann", "name": "pets", "kind": "registered", "path": "x", "state": "ready"}
    with database.transaction() as session:
        session.add(DatasetTable(id=new_id("ds"), version="sha256:pets", created_at=NOW, **facts))
    return "sha256:pets"


@pytest.fixture
def collect(database, settings):
    return Collector(database, settings).collect


class TestDeletedSets:
    def test_theirs_go_and_no_others(self, collect, entry, pets):
        here, gone = entry(pets, seconds=2 * HOUR), entry("sha256:gone", seconds=2 * HOUR, name="0b-32")
        collect()
        assert (here.exists(), gone.exists()) == (True, False)

    def test_not_within_an_hour_of_their_use(self, collect, entry):
        assert KEPT_SECONDS == HOUR
        gone = entry("sha256:gone", seconds=HOUR - 60)
        collect()
        assert gone.exists()

    @pytest.mark.parametrize("facts", [{"built_in": True}, {"format": 0}])
    def test_of_built_in_sets_and_of_other_releases_nobody_can_tell(self, collect, entry, facts):
        there = entry("sha256:mnist", seconds=6 * DAY, **facts)
        collect()
        assert there.exists()


class TestUnusedOnes:
    @pytest.mark.parametrize(("days", "stays"), [(6.9, True), (7.1, False)])
    @pytest.mark.parametrize("built_in", [True, False])
    def test_go_after_so_many_days(self, collect, entry, pets, days, stays, built_in):
        there = entry(pets, seconds=days * DAY, built_in=built_in)
        collect()
        assert there.exists() is stays

    @pytest.mark.parametrize(("began_days_ago", "stays"), [(9, True), (8.01, True), (7.9, False)])
    def test_not_under_a_job_that_may_have_opened_them(self, collect, entry, pets, queued, began_days_ago, stays):
        """The entry was opened 8 days ago; a clock may be wrong by an hour, which is 0.04 days."""
        there = entry(pets, seconds=8 * DAY)
        queued(state="running", started_at=NOW - timedelta(days=began_days_ago))
        collect()
        assert there.exists() is stays

    @pytest.mark.parametrize("state", JobState)
    def test_a_job_counts_while_it_is_trained(self, collect, entry, pets, queued, state):
        there = entry(pets, seconds=8 * DAY)
        queued(state=state, started_at=NOW - timedelta(days=9))
        collect()
        assert there.exists() is (state in LIVE)
        assert not LIVE & ENDED

    def test_what_killed_builders_left_goes_after_a_day(self, collect, entry):
        old = entry("x", seconds=DAY + 60, name=".building-old")
        young = entry("x", seconds=DAY - 60, name=".building-young")
        collect()
        assert (old.exists(), young.exists()) == (False, True)
