"""What a job has done so far: its events without waiting, its curves as columns, as CSV and as a DataFrame."""

import math
import subprocess
import sys

import pandas
import pytest

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
METRICS = {
    "phase": "training",
    "steps": {"step": [0, 4, 9], "learning_rate": [0.1, 1.0, 0.0], "training_loss": [2.5, None, 1.0]},
    "epochs": {"epoch": [1, 2], "validation_accuracy": [0.5, 0.75], "images_per_second": [None, None]},
    "points": 3,
    "total_steps": 10,
}


@pytest.fixture
def job(service, client, canned, job_body):
    service.answers[f"GET {JOB}"] = canned(job_body())
    service.answers[f"GET {JOB}/metrics"] = canned(METRICS)
    return client.job(JOB_ID)


class TestHistory:
    def test_goes_through_all_pages_and_does_not_wait(self, service, canned, job):
        def page(request):
            after, limit = int(request.query["after"][0]), int(request.query["limit"][0])
            seqs = range(after + 1, min(after + limit, 1500) + 1)
            items = [
                {"seq": seq, "type": "log", "time": "2026-01-01T00:00:00Z", "attempt": 1, "data": {}} for seq in seqs
            ]
            return canned({"items": items, "last_seq": items[-1]["seq"] if items else after})

        service.answers[f"GET {JOB}/events"] = page
        assert [event.seq for event in job.history(after=2)] == list(range(3, 1501))
        assert len(service.sent("GET", f"{JOB}/events")) == 2  # 1498 events, 1000 a page
        assert list(job.history(after=1500)) == []

    def test_an_event_is_the_same_object_again(self, service, canned, job):
        item = {"seq": 1, "type": "phase", "time": "2026-01-01T00:00:00+00:00", "attempt": 2, "data": {"phase": "x"}}
        service.answers[f"GET {JOB}/events"] = canned({"items": [item], "last_seq": 1})
        assert [event.as_dict() for event in job.history()] == [item]


class TestMetrics:
    def test_are_a_mapping_whatever_is_installed(self, job):
        assert job.metrics() == METRICS

    def test_asks_for_what_is_wanted(self, service, job):
        job.metrics("verifying", series=["learning_rate", "momentum"], max_points=7)
        assert service.requests[-1].query == {
            "phase": ["verifying"],
            "series": ["learning_rate", "momentum"],
            "max_points": ["7"],
        }

    def test_as_csv(self, service, canned, job):
        service.answers[f"GET {JOB}/metrics"] = canned(b"step,loss\n0,nan\n")
        assert job.metrics_csv("training", series=["loss"]) == "step,loss\n0,nan\n"
        request = service.requests[-1]
        assert (request.headers["Accept"], request.query["series"]) == ("text/csv", ["loss"])


class TestFrame:
    def test_of_steps(self, job):
        frame = job.metrics_frame()
        assert isinstance(frame, pandas.DataFrame)
        assert (frame.index.name, list(frame.index)) == ("step", [0, 4, 9])
        assert list(frame.columns) == ["learning_rate", "training_loss"]
        assert frame.loc[4, "learning_rate"] == 1.0
        assert math.isnan(frame.loc[4, "training_loss"])

    def test_of_epochs(self, service, job):
        frame = job.metrics_frame("training", by="epoch")
        assert (frame.index.name, list(frame.index)) == ("epoch", [1, 2])
        assert frame["validation_accuracy"].max() == 0.75
        assert frame["images_per_second"].dtype == "float64"  # all of it absent
        assert service.requests[-1].query == {"phase": ["training"]}

    def test_of_a_phase_without_epochs(self, service, canned, job):
        service.answers[f"GET {JOB}/metrics"] = canned(METRICS | {"epochs": {}})
        frame = job.metrics_frame("range_test", by="epoch")
        assert (len(frame), frame.index.name) == (0, "epoch")

    def test_without_pandas_says_what_to_install(self):
        code = (
            "import sys; sys.modules['pandas'] = None; from supercycle.frames import as_frame; as_frame({}, index='x')"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "ImportError: a DataFrame needs pandas" in found.stderr
        assert "pip install pandas" in found.stderr


class TestValidate:
    def test_queues_nothing(self, service, client, canned):
        answer = {"spec": {"kind": "training", "epochs": 10}, "children": 0, "steps": 100}
        service.answers["POST /v1/jobs"] = canned(answer)
        assert client.validate({"kind": "training"}) == answer
        assert service.requests[0].query == {"validate_only": ["true"]}


class TestLists:
    def test_children_are_listed_by_their_parent(self, service, client, canned, job_body):
        service.answers["GET /v1/jobs"] = canned({"items": [job_body()], "next_cursor": None})
        assert [one.id for one in client.jobs(parent_id="job_1")] == [JOB_ID]
        assert service.requests[0].query == {"parent_id": ["job_1"]}

    def test_a_model_is_deleted(self, service, client, canned):
        service.answers["DELETE /v1/models/mdl_1"] = canned(status=204)
        client.delete_model("mdl_1")
        assert len(service.requests) == 1
