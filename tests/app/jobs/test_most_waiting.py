"""How many jobs of one owner may wait: submitted, made anew or resumed."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from app.callers import administrator
from app.domain.lifecycle import Verb
from app.errors import TooManyRequests
from app.jobs import service
from app.jobs.schemas import TrainingSubmission

BODY = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
COMPARISON = {"kind": "comparison", "dataset": "digits", "architecture": "mlp", "epochs": 4, "fractions": [0.5]}
MOST = 2


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"max_waiting_per_owner": MOST})


@pytest.fixture
def client(any_client):
    return any_client


@pytest.fixture
def put(parts, put_job):
    return lambda **columns: put_job(parts.database, **{"owner": "admin"} | columns)


def is_refused(response):
    if response.status_code != 429:
        return False
    assert response.json()["code"] == "too_many_waiting"
    assert int(response.headers["retry-after"]) > 0
    return True


class TestSubmitting:
    def test_one_more_is_refused_until_one_has_begun(self, client, put):
        for state in ("running", "paused", "succeeded", "queued"):
            put(state=state)
        put(owner="ann", state="queued")
        job = client.post("/v1/jobs", json=BODY)
        assert job.status_code == 202
        for path in ("/v1/jobs", f"/v1/jobs/{job.json()['id']}/clone"):
            assert is_refused(client.post(path, json=BODY)), path
        client.post(f"/v1/jobs/{job.json()['id']}/cancel")
        assert client.post("/v1/jobs", json=BODY).status_code == 202

    @pytest.mark.parametrize(
        ("columns", "counts"),
        [
            ({"kind": "comparison", "state": "queued"}, 1),
            ({"kind": "comparison", "state": "running"}, 1),  # a keeper's next round finds it so, whoever is busy
            ({"kind": "tuning", "state": "pausing"}, 1),
            ({"kind": "auto", "state": "paused"}, 1),
            ({"kind": "auto", "state": "cancelling"}, 1),
            ({"kind": "comparison", "state": "succeeded"}, 0),
            ({"kind": "comparison", "state": "failed"}, 0),
            ({"kind": "comparison", "state": "cancelled"}, 0),
            ({"kind": "comparison", "state": "running", "owner": "ann"}, 0),
            ({"kind": "tuning", "state": "running", "parent_id": "job_" + "0" * 26}, 0),  # with the plan it is part of
            ({"kind": "training", "state": "queued", "parent_id": "job_" + "0" * 26}, 0),
            ({"kind": "training", "state": "paused"}, 0),
        ],
    )
    def test_a_plan_counts_until_it_has_ended(self, client, put, columns, counts):
        put(**columns)
        answers = [client.post("/v1/jobs", json=COMPARISON) for _ in range(MOST + 1)]
        assert [is_refused(answer) for answer in answers].count(False) == MOST - counts


class TestResuming:
    def resume(self, client, id):
        return client.post(f"/v1/jobs/{id}/resume")

    def test_it_is_refused_as_submitting_is(self, client, put, queue):
        paused = [put(state="paused") for _ in range(MOST + 1)]
        assert [is_refused(self.resume(client, id)) for id in paused] == [False] * MOST + [True]
        assert queue.hints == paused[:MOST]
        assert client.get(f"/v1/jobs/{paused[MOST]}").json()["state"] == "paused"
        client.post(f"/v1/jobs/{paused[0]}/cancel")
        assert self.resume(client, paused[MOST]).json()["state"] == "queued"

    def test_a_paused_plan_is_counted_already(self, client, put):
        plan = put(kind="comparison", state="paused")
        put(state="queued")
        assert self.resume(client, plan).status_code == 200

    def test_a_part_of_a_plan_waits_with_the_plan(self, client, put):
        plan = put(kind="comparison", state="running")
        part = put(state="paused", parent_id=plan)
        put(state="queued")
        assert self.resume(client, part).status_code == 200

    def test_what_cannot_be_resumed_says_so_first(self, client, put):
        queued = [put(state="queued") for _ in range(MOST)]
        assert self.resume(client, queued[0]).json()["code"] == "job_not_paused"


class TestAtOnce:
    """Two transactions of which neither sees what the other has not committed yet."""

    def submit(self, session):
        service.submit(session, TrainingSubmission(**BODY), administrator(), most_waiting=1)

    @pytest.mark.parametrize("verb", ["submit", "resume"])
    def test_the_second_waits_and_is_refused(self, database, put_job, verb):
        paused = put_job(database, owner="admin", state="paused")

        def second():
            with database.transaction() as session:
                if verb == "submit":
                    self.submit(session)
                else:
                    service.ask(session, paused, Verb.RESUME, administrator(), most_waiting=1)

        with ThreadPoolExecutor(1) as other:
            with database.transaction() as session:
                self.submit(session)
                asked = other.submit(second)
                assert not wait([asked], timeout=0.3).done
            with pytest.raises(TooManyRequests):
                asked.result(10)
