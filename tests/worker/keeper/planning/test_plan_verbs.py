"""What is asked of a plan is asked of its jobs; and what it takes over from others."""

from datetime import timedelta

import pytest

from app.artifacts.store import ArtifactStore
from app.callers import administrator
from app.db.tables import JobTable
from app.domain.lifecycle import JobState
from app.errors import Conflict
from app.jobs import service
from app.jobs.claims import Claims
from app.jobs.schemas import ComparisonSubmission

SMALL = {"kind": "comparison", "dataset": "digits", "architecture": "mlp", "epochs": 4, "seeds": 2}
ADMIN = administrator("admin")


class TestVerbs:
    def test_cancel_takes_all_along(self, coordinator, plan, claim, children, ask, read, database):
        id = plan()
        coordinator.advance()
        lease, running = claim()
        assert ask(id, "cancel") == "cancelling"
        assert children(id)[running].state == "cancelling"
        assert {row.state for key, row in children(id).items() if key != running} == {"cancelled"}
        coordinator.advance()
        assert read(id)[0].state == "cancelling"  # as long as a worker is at it
        with database.transaction() as session:
            Claims(session, lease=timedelta(seconds=30)).finish(lease, JobState.CANCELLED)
        coordinator.advance()
        assert (read(id)[0].state, read(id)[0].error["code"]) == ("cancelled", "cancelled")

    def test_pause_and_resume_take_all_along(self, coordinator, plan, claim, children, ask, read, database, work_off):
        id = plan()
        coordinator.advance()
        lease, running = claim()
        assert ask(id, "pause") == "pausing"
        coordinator.advance()
        assert (read(id)[0].state, children(id)[running].state) == ("pausing", "pausing")
        with database.transaction() as session:
            Claims(session, lease=timedelta(seconds=30)).give_back(lease)
        coordinator.advance()
        assert read(id)[0].state == "paused"
        assert {row.state for row in children(id).values()} == {"paused"}
        assert ask(id, "resume") == "running"
        assert {row.state for row in children(id).values()} == {"queued"}
        assert work_off() == ["baseline/0", "one_cycle/0"]
        coordinator.advance()
        assert len(children(id)) == 4

    def test_before_it_has_begun(self, plan, ask, coordinator, children, read):
        first, second = plan(), plan()
        assert ask(first, "cancel") == "cancelled"
        assert ask(second, "pause") == "paused"
        coordinator.advance()
        assert not children(first)
        assert not children(second)
        assert ask(second, "resume") == "queued"
        coordinator.advance()
        assert len(children(second)) == 2

    def test_when_all_that_is_left_is_paused_the_plan_is_too(self, coordinator, plan, children, ask, work_off, read):
        id = plan()
        coordinator.advance()
        ask(children(id)["baseline/0"].id, "pause")
        for _ in range(2):
            work_off()
            coordinator.advance()
        for _ in range(3):
            work_off()
            coordinator.advance()
        assert read(id)[0].state == "paused"
        assert any(event.type == "child" and event.data["state"] == "paused" for event in read(id)[1])
        assert ask(id, "resume") == "running"
        assert work_off() == ["baseline/0"]


@pytest.fixture
def taken_over(coordinator, plan, work_off, children, ask):
    """A plan that has ended, and one that runs and has taken over what its jobs found: their ids."""
    first = plan()
    coordinator.advance()
    work_off()
    ask(first, "cancel")
    coordinator.advance()
    second = plan(reuse=True)
    coordinator.advance()
    assert children(second)["baseline/0"].source_id == children(first)["baseline/0"].id
    return first, second


class TestDelete:
    def test_takes_its_jobs_along(self, coordinator, plan, ask, children, database, settings):
        id = plan()
        coordinator.advance()
        ask(id, "cancel")
        coordinator.advance()
        service.delete(database, ArtifactStore(settings.storage), id, ADMIN)
        assert not children(id)

    def test_not_while_one_is_being_stopped(self, coordinator, plan, ask, claim, database, settings, read):
        id = plan()
        coordinator.advance()
        claim()
        ask(id, "cancel")
        with pytest.raises(Conflict, match="job_not_ended"):
            service.delete(database, ArtifactStore(settings.storage), id, ADMIN)

    def test_no_child_of_a_plan_that_needs_it(self, coordinator, plan, work_off, children, database, settings):
        id = plan()
        coordinator.advance()
        work_off()
        child = children(id)["baseline/0"].id
        with pytest.raises(Conflict, match="parent_not_ended"):
            service.delete(database, ArtifactStore(settings.storage), child, ADMIN)

    def test_no_job_whose_result_was_taken_over(self, coordinator, plan, work_off, children, database, settings):
        first = plan()
        coordinator.advance()
        work_off()
        origin = children(first)["baseline/0"].id
        second = plan(reuse=True)
        coordinator.advance()
        assert children(second)["baseline/0"].source_id == origin
        with database.transaction() as session:
            session.get(JobTable, first).state = "cancelled"
        with pytest.raises(Conflict, match="parent_not_ended"):
            service.delete(database, ArtifactStore(settings.storage), origin, ADMIN)

    def test_no_plan_whose_jobs_results_were_taken_over(self, coordinator, taken_over, database, settings, children):
        first, second = taken_over
        store = ArtifactStore(settings.storage)
        with pytest.raises(Conflict, match=f"What the job or one of its jobs found is part of {second}"):
            service.delete(database, store, first, ADMIN)
        assert children(first)
        with database.transaction() as session:
            session.get(JobTable, second).state = "cancelled"
        service.delete(database, store, first, ADMIN)
        assert not children(first)


class TestReuse:
    def test_takes_over_what_ran_the_same(self, coordinator, plan, work_off, children, report, queue):
        first = plan()
        for _ in range(2):
            coordinator.advance()
            work_off()
        report(coordinator, first)
        queue.hints.clear()
        second = plan(reuse=True)
        for _ in range(2):
            coordinator.advance()
        assert work_off() == []
        assert queue.hints == []
        job, _ = report(coordinator, second)
        origins = {key: row.id for key, row in children(first).items()}
        for key, row in children(second).items():
            assert (row.state, row.source_id, row.resolved["reused"]["value"]) == (
                "succeeded",
                origins[key],
                origins[key],
            )
        assert job.result["arms"]["baseline"]["reused"] == [origins["baseline/0"], origins["baseline/1"]]
        assert job.result["arms"]["baseline"]["steps"] == 1

    def test_says_how_the_origin_was_computed(self, coordinator, plan, work_off, children, database):
        """Not how this comparison would have had it."""

        def measured(id, key, precision):
            with database.transaction() as session:
                row = session.get(JobTable, children(id)[key].id)
                row.resolved = row.resolved | {"precision": {"value": precision, "origin": "measured", "reason": "."}}

        first = plan()
        for _ in range(2):
            coordinator.advance()
            work_off()
        measured(first, "baseline/0", "fp32")
        measured(first, "baseline/1", "bf16")
        second = plan(reuse=True)
        for _ in range(2):
            coordinator.advance()
        assert children(second)["baseline/1"].resolved["precision"]["value"] == "bf16"

    @pytest.mark.parametrize("change", [{"batch_size": 64}, {"epochs": 8}])
    def test_not_what_ran_something_else(self, coordinator, plan, work_off, change):
        plan()
        coordinator.advance()
        work_off()
        plan(reuse=True, **change)
        coordinator.advance()
        assert work_off() != []

    def test_not_what_failed(self, coordinator, plan, work_off):
        plan()
        coordinator.advance()
        work_off(lost=["baseline/0", "one_cycle/0"])
        plan(reuse=True)
        coordinator.advance()
        assert work_off() == ["baseline/0", "one_cycle/0"]

    def test_not_of_another_owner(self, coordinator, plan, work_off, database):
        plan()
        coordinator.advance()
        work_off()
        with database.transaction() as session:
            submission = ComparisonSubmission.model_validate(SMALL | {"reuse": True})
            service.submit(session, submission, administrator("somebody"))
        coordinator.advance()
        assert "baseline/0" in work_off()
