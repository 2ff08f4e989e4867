"""Plans within a plan: an automatic run has a tuning made, trains with what came of it, and compares if asked."""

import pytest
from sqlalchemy import select

from app.artifacts.store import ArtifactStore
from app.callers import administrator
from app.db.tables import JobTable
from app.domain.lifecycle import JobState
from app.errors import Conflict
from app.jobs import service
from app.jobs.family import Family
from app.jobs.repository import JobRepository
from app.jobs.schemas import AutoSubmission
from worker.reports.records import record_of

SMALL = {"kind": "auto", "dataset": "digits", "architecture": "mlp", "budget_seconds": 600, "tune": ["batch_size"]}
ADMIN = administrator("admin")


@pytest.fixture
def auto(submitted):
    """Submit a small automatic run; returns its id."""
    return lambda **fields: submitted(AutoSubmission.model_validate(SMALL | fields))


@pytest.fixture
def tuned(coordinator, auto, children, work_off):
    """One whose tuning has ended and whose training waits; returns its id."""

    def reach(**fields):
        id = auto(**fields)
        while "training" not in children(id):
            coordinator.advance()
            work_off()
        return id

    return reach


class TestToTheEnd:
    @pytest.mark.usefixtures("_no_report")
    def test_tunes_then_trains(self, coordinator, auto, children, work_off, report):
        id = auto()
        coordinator.advance()
        assert list(children(id)) == ["tuning"]
        tuning = children(id)["tuning"]
        assert (tuning.kind, tuning.parent_id, tuning.state) == ("tuning", id, "queued")
        assert tuning.resolved["steps_per_epoch"]["value"] == 11
        coordinator.advance()
        assert list(children(tuning.id)) == ["batch_size/time/128"]
        work_off()
        coordinator.advance()
        assert sorted(children(tuning.id)) == [f"batch_size/time/{size}" for size in (128, 256, 512, 64, "auto")]

    def test_the_training_has_what_was_chosen(self, coordinator, tuned, children, report):
        """All sizes end alike, so the largest is taken; an epoch takes a second, so as many as are allowed fit."""
        id = tuned()
        spec = children(id)["training"].spec
        assert (spec["batch_size"], spec["epochs"]) == (512, 200)
        job, _ = report(coordinator, id)
        assert (job.state, job.result["best"]["epoch"]) == ("succeeded", 1)
        assert job.result["chosen"] == {"batch_size": 512}
        assert job.result["jobs"] == {key: child.id for key, child in children(id).items()}

    def test_no_model_is_no_success(self, coordinator, auto, children, work_off, report):
        id = auto(tune=[], epochs=3)
        coordinator.advance()
        assert children(id)["training"].spec["epochs"] == 3
        work_off(lost=["training"])
        job, _ = report(coordinator, id)
        assert (job.state, job.error["code"]) == ("failed", "no_child_succeeded")

    def test_a_tuning_that_failed_leaves_what_was_given(self, coordinator, auto, children, work_off):
        id = auto()
        for _ in range(10):  # none tells how long they take, so each runs alone
            coordinator.advance()
            work_off(lost=[f"batch_size/time/{size}" for size in (64, 128, 256, 512, "auto")])
        assert children(id)["tuning"].state == "failed"
        assert children(id)["training"].spec["batch_size"] == 128
        assert children(id)["training"].spec["epochs"] == 200  # as many as fit the budget: an epoch was timed

    def test_an_epoch_is_timed_where_nothing_is_tuned(self, coordinator, auto, children, work_off):
        id = auto(tune=[], budget_seconds=30)
        coordinator.advance()
        timing = children(id)["timing"].spec
        assert (timing["epochs"], timing["schedule"]["max_lr"], timing["evaluate_test"]) == (1, 0.01, False)
        work_off()
        coordinator.advance()
        training = children(id)["training"].spec
        assert training["epochs"] == 23  # of a second each, with 30 % for the search
        assert (training["schedule"]["max_lr"], training["evaluate_test"]) == ("auto", True)

    def test_the_fewest_epochs_where_no_epoch_could_be_timed(self, coordinator, auto, children, work_off):
        id = auto(tune=[])
        coordinator.advance()
        work_off(lost=["timing"])
        coordinator.advance()
        assert children(id)["training"].spec["epochs"] == 2

    @pytest.mark.usefixtures("_no_report")
    def test_compares_if_asked(self, coordinator, auto, children, work_off):
        id = auto(tune=[], epochs=2, compare=True)
        coordinator.advance()
        work_off()
        coordinator.advance()
        comparison = children(id)["comparison"]
        assert (comparison.spec["epochs"], comparison.spec["fraction"]) == (8, 0.25)


class TestVerbs:
    def test_reach_the_jobs_of_its_jobs(self, coordinator, auto, children, ask, read, work_off):
        id = auto()
        for _ in range(2):
            coordinator.advance()
        tuning = children(id)["tuning"].id
        assert ask(id, "pause") == "pausing"
        assert {row.state for row in children(tuning).values()} == {"paused"}
        for _ in range(2):
            coordinator.advance()
        assert (read(id)[0].state, read(tuning)[0].state) == ("paused", "paused")
        assert ask(id, "resume") == "running"
        assert read(tuning)[0].state == "running"
        assert {row.state for row in children(tuning).values()} == {"queued"}
        assert ask(id, "cancel") == "cancelling"
        for _ in range(2):
            coordinator.advance()
        assert {read(one)[0].state for one in (id, tuning)} == {JobState.CANCELLED}
        assert {row.state for row in children(tuning).values()} == {"cancelled"}

    def test_delete_takes_them_along(self, coordinator, auto, children, ask, database, settings):
        id = auto()
        for _ in range(2):
            coordinator.advance()
        tuning = children(id)["tuning"].id
        ask(id, "cancel")
        for _ in range(2):
            coordinator.advance()
        service.delete(database, ArtifactStore(settings.storage), id, ADMIN)
        assert not children(id)
        assert not children(tuning)

    def test_delete_spares_what_another_plan_took_over(
        self, coordinator, auto, children, ask, database, settings, work_off
    ):
        """Range tests stand two plans below the one that is to be deleted."""
        first = auto(tune=["momentum"])
        for _ in range(2):
            coordinator.advance()
        work_off()
        ask(first, "cancel")
        second = auto(tune=["momentum"])
        for _ in range(2):
            coordinator.advance()
        tuning = children(second)["tuning"].id
        assert all(row.source_id for row in children(tuning).values())
        with pytest.raises(Conflict, match=f"is part of {tuning}, which is running"):
            service.delete(database, ArtifactStore(settings.storage), first, ADMIN)


class TestTime:
    @pytest.mark.usefixtures("_no_report")
    def test_of_a_tuning_is_that_of_its_jobs(self, coordinator, auto, children, database, work_off):
        """Pauses are left out, and so is what the keeper does between two waves."""
        id = auto()
        for _ in range(3):
            coordinator.advance()
            work_off()
        tuning = children(id)["tuning"].id
        with database.transaction() as session:
            for row in session.scalars(select(JobTable).where(JobTable.parent_id == tuning)):
                row.worked_seconds = 2.0
        with database.reading() as session:
            family = Family(session, session.get(JobTable, id)).children()
            assert family["tuning"].seconds == 5 * 2.0
            assert record_of(session.get(JobTable, tuning), JobRepository(session))["seconds"] == 10.0
