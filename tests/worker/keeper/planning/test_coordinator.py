"""Plans are advanced from their rows alone: through failures, and keepers that die."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError

from app.db.tables import ArtifactTable, JobTable, WebhookDeliveryTable, WebhookTable
from app.ids import new_id


class TestToTheEnd:
    def test_searches_then_other_seeds_then_the_report(
        self, coordinator, plan, work_off, children, report, database, queue
    ):
        id = plan()
        coordinator.advance()
        assert sorted(children(id)) == ["baseline/0", "one_cycle/0"]
        assert len(queue.hints) == 2
        assert work_off() == ["baseline/0", "one_cycle/0"]
        coordinator.advance()
        assert work_off() == ["baseline/1", "one_cycle/1"]
        assert {row.spec["schedule"]["max_lr"] for key, row in children(id).items() if key.endswith("/1")} == {0.25}
        job, events = report(coordinator, id)
        assert (job.state, job.error) == ("succeeded", None)
        assert job.result["arms"]["baseline"]["best_validation_accuracy"]["mean"] == pytest.approx(0.9)
        assert job.progress["fraction"] == 1.0
        phases = [event.data["phase"] for event in events if event.type == "phase"]
        assert phases == ["training", "reporting"]
        with database.reading() as session:
            names = set(session.scalars(select(ArtifactTable.name).where(ArtifactTable.job_id == id)))
        assert {"report.html", "report.md", "report.csv", "report.json", "verdict.png", "comparison.svg"} <= names

    def test_each_change_of_a_child_is_told_once(self, coordinator, plan, claim, finish, work_off, read):
        id = plan()
        for _ in range(3):
            coordinator.advance()
        lease, first = claim()
        coordinator.advance()
        finish(lease)
        for _ in range(3):
            coordinator.advance()
        told = [event.data for event in read(id)[1] if event.type == "child" and event.data["key"] == first]
        assert [data["state"] for data in told] == ["queued", "running", "succeeded"]
        assert {(data["id"], data["job_id"]) for data in told} == {(lease.job_id, lease.job_id)}

    def test_shows_how_far_it_is(self, coordinator, plan, work_off, read, queue):
        id = plan()
        coordinator.advance()
        assert len(queue.hints) == 2
        work_off()
        coordinator.advance()
        progress = read(id)[0].progress
        assert (progress["step"], progress["steps"], progress["fraction"]) == (2, 4, 0.5)

    def test_children_have_what_the_plan_was_given(self, coordinator, plan, children):
        id = plan(priority=7, device="cpu", max_attempts=2, max_runtime_seconds=60.0, on_time_limit="fail")
        coordinator.advance()
        for row in children(id).values():
            assert (row.priority, row.device, row.max_attempts) == (7, "cpu", 2)
            assert (row.max_runtime_seconds, row.on_time_limit, row.owner) == (60.0, "fail", "admin")

    @pytest.mark.usefixtures("_no_report")
    def test_webhooks_hear_of_the_plan_and_not_of_its_jobs(self, coordinator, plan, work_off, report, database):
        hook = {"url": "https://a", "events": ["job.started", "job.succeeded"], "secret": ""}
        with database.transaction() as session:
            session.add(WebhookTable(id=new_id("whk"), owner="admin", created_at=datetime.now(UTC), **hook))
        id = plan()
        for _ in range(2):
            coordinator.advance()
            work_off()
        report(coordinator, id)
        with database.reading() as session:
            assert sorted(session.scalars(select(WebhookDeliveryTable.type))) == ["job.started", "job.succeeded"]


class TestFailures:
    def test_an_arm_that_fails_is_reported(self, coordinator, plan, work_off, report):
        id = plan()
        coordinator.advance()
        work_off(lost=["one_cycle/0"])
        coordinator.advance()
        assert work_off() == ["baseline/1"]
        job, _ = report(coordinator, id)
        assert job.state == "succeeded"
        assert job.result["verdict"]["verdict"] == "inconclusive"
        assert job.result["arms"]["one_cycle"]["failures"][0]["code"] == "lr_diverged"

    def test_nothing_that_succeeded_is_no_success(self, coordinator, plan, work_off, report):
        id = plan()
        coordinator.advance()
        work_off(lost=["one_cycle/0", "baseline/0"])
        job, _ = report(coordinator, id)
        assert (job.state, job.error["code"]) == ("failed", "no_child_succeeded")
        assert job.error["detail"].startswith("2 of 2 failed or were cancelled. The first, ")

    def test_a_report_that_breaks_off_is_tried_again_and_given_up(
        self, coordinator, plan, work_off, report, monkeypatch
    ):
        monkeypatch.setattr("worker.keeper.report_desk.CHILD", ["/bin/false"])
        id = plan(seeds=1)
        coordinator.advance()
        work_off()
        job, _ = report(coordinator, id)
        assert (job.state, job.error["code"]) == ("failed", "report_failed")

    def test_a_store_that_takes_no_report_holds_up_no_other_plan(
        self, coordinator, plan, work_off, report, monkeypatch, children
    ):
        id = plan(seeds=1)
        coordinator.advance()
        work_off()

        def fail(*_):
            raise OSError("full")

        monkeypatch.setattr("worker.keeper.report_desk.put_patiently", fail)
        job, _ = report(coordinator, id)
        assert job.error["code"] == "report_failed"
        other = plan(seeds=1)
        coordinator.advance()
        assert len(children(other)) == 2

    def test_what_is_under_way_ends_with_a_plan_that_failed(self, coordinator, plan, read, database, children):
        id = plan()
        coordinator.advance()
        with database.transaction() as session:
            session.get(JobTable, id).resolved = {}
        coordinator.stop()
        coordinator.advance()
        assert read(id)[0].state == "failed"
        assert {row.state for row in children(id).values()} == {"cancelled"}

    def test_a_plan_that_cannot_be_advanced_ends_and_others_go_on(self, coordinator, plan, read, database, children):
        broken, sound = plan(), plan()
        with database.transaction() as session:
            session.get(JobTable, broken).resolved = {}
        coordinator.advance()
        assert (read(broken)[0].state, read(broken)[0].error["code"]) == ("failed", "internal_error")
        assert len(children(sound)) == 2

    def test_a_broker_that_is_away_costs_one_try(self, coordinator, plan, queue, children):
        queue.down = True
        id = plan()
        coordinator.advance()
        assert {row.state for row in children(id).values()} == {"queued"}


class TestKeepers:
    @pytest.mark.usefixtures("_no_report")
    def test_the_next_one_goes_on_and_tells_nothing_twice(self, keeper, plan, work_off, read, report):
        id = plan()
        keeper().advance()
        work_off()
        keeper().advance()
        work_off()
        last = keeper()
        job, events = report(last, id)
        assert job.state == "succeeded"
        told = [(event.data["key"], event.data["state"]) for event in events if event.type == "child"]
        assert len(told) == len(set(told))

    def test_two_at_once_make_no_child_twice(self, keeper, plan, children):
        one, other = keeper(), keeper()
        id = plan()
        one.advance()
        other.advance()
        one.advance()
        assert len(children(id)) == 2

    def test_the_database_allows_no_place_twice(self, coordinator, plan, children, database, queued):
        id = plan()
        coordinator.advance()
        with pytest.raises(IntegrityError):
            queued(parent_id=id, child_key="baseline/0")

    def test_what_a_database_did_not_take_is_told_later(self, coordinator, plan, claim, read, monkeypatch):
        id = plan()
        coordinator.advance()
        claim()

        def fail(*_):
            raise OperationalError("", {}, Exception("away"))

        with monkeypatch.context() as patch:
            patch.setattr("worker.keeper.coordinator._show", lambda *_, **__: fail())
            with pytest.raises(OperationalError):
                coordinator.advance()
        coordinator.advance()
        told = [event.data["state"] for event in read(id)[1] if event.type == "child"]
        assert sorted(told) == ["queued", "running"]
