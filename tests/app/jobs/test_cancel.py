"""The verb `cancel` in every state."""

import pytest

from app.db.tables import JobTable


class TestTable:
    @pytest.mark.parametrize(
        ("state", "status", "after"),
        [
            ("queued", 200, "cancelled"),
            ("running", 200, "cancelling"),
            ("cancelling", 200, "cancelling"),
            ("cancelled", 200, "cancelled"),
            ("succeeded", 409, "succeeded"),
            ("failed", 409, "failed"),
        ],
    )
    def test_states(self, any_client, put_job, state, status, after):
        id = put_job(any_client.app.state.parts.database, state=state)
        response = any_client.post(f"/v1/jobs/{id}/cancel")
        job = any_client.get(f"/v1/jobs/{id}").json()
        assert response.status_code == status
        assert job["state"] == after
        if status == 200:
            assert response.json() == job
        else:
            assert response.json()["code"] == "job_ended"
            assert state in response.json()["detail"]

    @pytest.mark.parametrize(("state", "moves"), [("queued", 1), ("running", 1), ("cancelling", 0), ("cancelled", 0)])
    def test_asking_twice_is_asking_once(self, client, parts, put_job, state, moves):
        id = put_job(parts.database, state=state)
        answers = [client.post(f"/v1/jobs/{id}/cancel").json() for _ in range(2)]
        assert answers[0] == answers[1]
        events = client.get(f"/v1/jobs/{id}/events").json()["items"]
        assert len(events) == 1 + moves


class TestQueued:
    def test_it_ends_at_once_and_is_never_claimed(self, client, submit, parts, hand_of):
        job = submit()
        cancelled = client.post(f"{job['links']['self']}/cancel").json()
        assert cancelled["finished_at"] is not None
        assert cancelled["started_at"] is None
        assert hand_of(parts.database).claim() is None


class TestRunning:
    def test_the_worker_keeps_its_lease_until_it_has_stopped(self, client, submit, parts, hand_of):
        hand = hand_of(parts.database)
        job = submit()
        lease = hand.claim()
        assert client.post(f"{job['links']['self']}/cancel").json()["finished_at"] is None
        with parts.database.reading() as session:
            assert session.get(JobTable, job["id"]).lease_until is not None
        assert hand.do("renew", lease) == "cancelling"
