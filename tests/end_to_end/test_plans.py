"""A comparison by real workers, through a killed training and a killed keeper; and an automatic run."""

import json
import os
import signal

import pytest

from tests.end_to_end.conftest import wait_until

ARMS = dict.fromkeys(("linear", "cosine", "constant", "step"))
QUICK = {"dataset": "digits", "architecture": "mlp", "precision": "fp32", "compile": "off"}


@pytest.fixture
def submit(http):
    def post(**body):
        answer = http.post("/v1/jobs", json=QUICK | body)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    return post


@pytest.fixture
def ended(http):
    """A job once it has ended."""

    def wait(id):
        wait_until(lambda: http.get(f"/v1/jobs/{id}").json()["finished_at"], seconds=110, what=f"for {id}")
        return http.get(f"/v1/jobs/{id}").json()

    return wait


@pytest.fixture
def children(http):
    def look(id):
        return http.get("/v1/jobs", params={"parent_id": id}).json()["items"]

    return look


class TestComparison:
    def test_outlasts_a_killed_training_and_a_killed_keeper(self, service, http, submit, ended, children):
        id = submit(kind="comparison", epochs=24, seeds=2, arms=ARMS)
        wait_until(lambda: any(job["phase"] == "training" for job in children(id)), what="for a training")
        os.kill(service.training_pid(), signal.SIGKILL)
        (keeper,) = service.pids("keeper")
        os.kill(keeper, signal.SIGKILL)
        job = ended(id)
        assert (job["state"], job["error"]) == ("succeeded", None)
        assert {child["state"] for child in children(id)} == {"succeeded"}
        assert len(children(id)) == 4
        assert job["result"]["verdict"]["difference"]["n"] == 2
        assert job["links"]["plots"].keys() == {"comparison", "comparison_seconds", "learning_rate", "verdict"}
        page = http.get(f"/v1/jobs/{id}/artifacts/report.html")
        assert page.headers["content-disposition"].startswith("attachment")  # never shown in the service's own origin
        assert "data:image/png;base64," in page.text
        told = [event["data"] for event in http.get(f"/v1/jobs/{id}/events?limit=1000").json()["items"]
                if event["type"] == "child"]  # fmt: skip
        assert sum(one["state"] == "succeeded" for one in told) == 4
        assert http.delete(f"/v1/jobs/{id}").status_code == 204
        assert children(id) == []


class TestAutomatic:
    def test_from_a_data_set_to_a_model(self, http, submit, ended):
        id = submit(kind="auto", epochs=4, tune=["momentum"], budget_seconds=60)
        job = ended(id)
        assert (job["state"], job["error"]) == ("succeeded", None)
        model = http.get(f"/v1/models/{job['result']['model_id']}").json()
        assert model["job_id"] == job["result"]["jobs"]["training"]
        chosen = http.get(f"/v1/jobs/{job['result']['jobs']['tuning']}").json()["result"]
        assert chosen["training"]["kind"] == "training"
        assert json.dumps(chosen["decisions"][0]["evidence"])
