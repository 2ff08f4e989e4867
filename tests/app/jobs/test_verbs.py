"""What may be asked of a job in every state: the contract's table, and what the verbs do beside it."""

from itertools import product

import pytest

from app.db.tables import JobTable
from app.domain.lifecycle import JobState as S
from app.domain.lifecycle import Verb

# The contract's table, cell by cell: what a verb answers in each state, and where it leads.
TABLE = {
    "cancel": {
        "queued, paused": "→ cancelled",
        "running, pausing": "→ cancelling",
        "cancelling, cancelled": "200",  # nothing happens
        "succeeded, failed": "409 job_ended",
    },
    "pause": {
        "queued": "→ paused",
        "running": "→ pausing",
        "paused, pausing": "200",
        "succeeded, failed, cancelled": "409 job_ended",
        "cancelling": "409 job_stopping",  # the contract is silent: whoever asked for the end first has it
    },
    "resume": {
        "paused": "→ queued",
        "succeeded, failed, cancelled": "409 job_ended",
        "queued, running, pausing, cancelling": "409 job_not_paused",
    },
    "retry": {
        "failed, cancelled": "202",
        "queued, running, cancelling, pausing, paused, succeeded": "409 cannot_retry",
    },
    "clone": {"queued, running, cancelling, pausing, paused, succeeded, failed, cancelled": "202"},
    "delete": {
        "succeeded, failed, cancelled": "204",
        "queued, running, cancelling, pausing, paused": "409 job_not_ended",
    },
}
CELLS = [
    (verb, state, answer)
    for verb, answers in TABLE.items()
    for states, answer in answers.items()
    for state in states.split(", ")
]
# What is done to a queued job to bring it there: a user's verbs, and what a worker does that has claimed it.
WAYS = {
    "queued": [],
    "running": ["claim"],
    "cancelling": ["claim", "cancel"],
    "pausing": ["claim", "pause"],
    "paused": ["claim", "pause", "give_back"],
    "succeeded": ["claim", "succeed"],
    "failed": ["claim", "fail"],
    "cancelled": ["claim", "cancel", "give_back"],
}
ERROR = {"code": "diverged", "title": "It diverged", "detail": "So.", "hint": "Do.", "retryable": False, "attempt": 1}
PATCH = {"epochs": 2, "name": None, "optimizer": {"momentum": 0.5}}


class Walk:
    """Brings jobs into states and asks things of them, over HTTP and by a worker's hand."""

    def __init__(self, client, hand):
        self.client, self.hand = client, hand

    def submit(self, body):
        return self.client.post("/v1/jobs", json=body).json()

    def lead(self, job, state):
        """Into this state, step by step."""
        lease = None
        for step in WAYS[state]:
            match step:
                case "claim":
                    lease = self.hand.claim()
                case "give_back":
                    self.hand.do("give_back", lease)
                case "succeed":
                    self.hand.do("finish", lease, S.SUCCEEDED)
                case "fail":
                    self.hand.do("finish", lease, S.FAILED, error=ERROR)
                case verb:
                    assert self.ask(job, verb).status_code == 200
        job = self.look(job)
        assert job["state"] == state
        return job

    def ask(self, job, verb):
        address = job["links"]["self"]
        if verb == "delete":
            return self.client.delete(address)
        return self.client.post(f"{address}/{verb}", json=PATCH if verb == "clone" else None)

    def look(self, job):
        return self.client.get(job["links"]["self"]).json()

    def tag(self, job):
        """Changes with everything that is seen of a job."""
        return self.client.get(job["links"]["self"]).headers["etag"]


@pytest.fixture
def walk(any_client, hand_of):
    return Walk(any_client, hand_of(any_client.app.state.parts.database))


class TestTable:
    def test_has_every_verb_in_every_state_once(self):
        assert sorted(cell[:2] for cell in CELLS) == sorted(product([*Verb, "retry", "clone", "delete"], S))

    @pytest.mark.parametrize(("verb", "state", "answer"), CELLS)
    def test_cell(self, walk, minimal, verb, state, answer):
        job = walk.lead(walk.submit(minimal | {"name": "first"}), state)
        tag = walk.tag(job)
        response = walk.ask(job, verb)
        match answer.split():
            case ["→", to]:
                assert (response.status_code, response.json()["state"]) == (200, to)
                assert response.json() == walk.look(job)
                assert walk.tag(job) != tag
                return
            case ["204"]:
                assert (response.status_code, response.content) == (204, b"")
                assert walk.client.get(job["links"]["self"]).status_code == 404
                return
            case ["200"]:
                assert (response.status_code, response.json()) == (200, job)
            case ["409", code]:
                problem = response.json()
                assert (response.status_code, problem["status"], problem["code"]) == (409, 409, code)
                assert response.headers["content-type"] == "application/problem+json"
                assert problem["detail"]
                assert problem["hint"]
            case ["202"]:
                self.check_new(walk, response, job, changes=PATCH if verb == "clone" else {})
        assert walk.tag(job) == tag

    def check_new(self, walk, response, source, *, changes):
        """It names its source and is otherwise the same, but for a JSON Merge Patch."""
        job = response.json()
        assert response.status_code == 202
        assert int(response.headers["retry-after"]) >= 1
        assert response.headers["location"] == job["links"]["self"] != source["links"]["self"]
        assert (job["state"], job["source_id"], job["attempts"]) == ("queued", source["id"], 0)
        assert job == walk.look(job)
        spec, optimizer = source["spec"], source["spec"]["optimizer"] | changes.get("optimizer", {})
        assert job["spec"] == spec | {"epochs": changes.get("epochs", spec["epochs"]), "optimizer": optimizer}
        assert job["name"] == (None if changes else "first")  # null takes a member away

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
