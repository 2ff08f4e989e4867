"""The verbs `cancel`, `pause` and `resume` in every state."""

import pytest

from app.db.tables import JobTable
from app.domain.lifecycle import JobState as S
from app.domain.lifecycle import Verb, after_verb

CODES = {
    ("pause", "cancelling"): "job_stopping",
    ("pause", "cancelled"): "job_ended",
    ("resume", "cancelled"): "job_ended",
} | {(verb, state): "job_ended" for verb in ("cancel", "pause", "resume") for state in ("succeeded", "failed")}


class TestTable:
    @pytest.mark.parametrize("verb", list(Verb))
    @pytest.mark.parametrize("state", list(S))
    def test_states(self, any_client, put_job, verb, state):
        id = put_job(any_client.app.state.parts.database, state=state)
        response = any_client.post(f"/v1/jobs/{id}/{verb}")
        job = any_client.get(f"/v1/jobs/{id}").json()
        after = after_verb(verb, state)
        assert job["state"] == (after or state)
        if after:
            assert (response.status_code, response.json()) == (200, job)
        else:
            problem = response.json()
            assert (response.status_code, problem["code"]) == (409, CODES.get((verb, state), "job_not_paused"))
            assert problem["hint"]

    @pytest.mark.parametrize(
        ("verb", "state", "moves"),
        [
            ("cancel", "queued", 1),
            ("cancel", "running", 1),
            ("cancel", "cancelling", 0),
            ("cancel", "cancelled", 0),
            ("pause", "queued", 1),
            ("pause", "running", 1),
            ("pause", "pausing", 0),
            ("pause", "paused", 0),
        ],
    )
    def test_asking_twice_is_asking_once(self, client, parts, put_job, verb, state, moves):
        id = put_job(parts.database, state=state)
        answers = [client.post(f"/v1/jobs/{id}/{verb}").json() for _ in range(2)]
        assert answers[0] == answers[1]
        events = client.get(f"/v1/jobs/{id}/events").json()["items"]
        assert len(events) == 1 + moves

    @pytest.mark.parametrize("verb", [*Verb, "retry", "clone"])
    def test_an_unknown_job(self, client, verb):
        response = client.post(f"/v1/jobs/job_{'0' * 26}/{verb}")
        assert (response.status_code, response.json()["code"]) == (404, "unknown_job")


class TestQueued:
    def test_a_cancelled_one_ends_at_once_and_is_never_claimed(self, client, submit, parts, hand_of):
        job = submit()
        cancelled = client.post(f"{job['links']['self']}/cancel").json()
        assert cancelled["finished_at"] is not None
        assert cancelled["started_at"] is None
        assert cancelled["error"]["code"] == "cancelled"
        assert hand_of(parts.database).claim() is None

    def test_a_paused_one_waits_and_goes_on_when_resumed(self, client, submit, parts, queue, hand_of):
        hand, job = hand_of(parts.database), submit()
        client.post(f"{job['links']['self']}/pause")
        assert hand.claim() is None
        client.post(f"{job['links']['self']}/resume")
        assert queue.hints == [job["id"], job["id"]]
        assert hand.claim().job_id == job["id"]


class TestRunning:
    @pytest.mark.parametrize(("verb", "state"), [("cancel", "cancelling"), ("pause", "pausing")])
    def test_the_worker_keeps_its_lease_until_it_has_stopped(self, client, submit, parts, hand_of, verb, state):
        hand = hand_of(parts.database)
        job = submit()
        lease = hand.claim()
        assert client.post(f"{job['links']['self']}/{verb}").json()["finished_at"] is None
        with parts.database.reading() as session:
            assert session.get(JobTable, job["id"]).lease_until is not None
        assert hand.do("renew", lease) == state

    def test_a_pause_can_turn_into_a_cancel(self, client, submit, parts, hand_of):
        hand, job = hand_of(parts.database), submit()
        lease = hand.claim()
        for verb in ("pause", "cancel"):
            client.post(f"{job['links']['self']}/{verb}")
        hand.do("give_back", lease)
        assert client.get(job["links"]["self"]).json()["state"] == "cancelled"


class TestResumed:
    def test_it_has_its_attempts_and_its_time_again(self, client, parts, put_job):
        spent = {"crashes": 2, "ran_seconds": 50.0, "hints": 7}
        id = put_job(parts.database, state="paused", max_runtime_seconds=60, **spent)
        client.post(f"/v1/jobs/{id}/resume")
        with parts.database.reading() as session:
            job = session.get(JobTable, id)
        assert (job.crashes, job.ran_seconds, job.hints, job.not_before) == (0, 0, 0, None)
