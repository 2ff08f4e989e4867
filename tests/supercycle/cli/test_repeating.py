"""A command that is run twice under one key is done once; one that only asks makes nothing."""

import json

import pytest

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
WORK = ("--dataset", "digits", "--architecture", "mlp")
KEY = ("--idempotency-key", "night-7")
PLAN = {"spec": {"kind": "training", "dataset": {"name": "digits"}, "epochs": 10}, "children": 0, "steps": 1260}


class TestKeys:
    @pytest.mark.parametrize(
        ("command", "path"),
        [
            (["train", *WORK, "--detach"], "/v1/jobs"),
            (["range-test", *WORK, "--detach"], "/v1/jobs"),
            (["retry", JOB_ID, "--detach"], f"{JOB}/retry"),
            (["clone", JOB_ID, "--detach"], f"{JOB}/clone"),
            (["datasets", "register", "cats", "/srv/cats", "--json"], "/v1/datasets"),
            (["datasets", "add", "cats", __file__, "--json"], "/v1/datasets"),
        ],
        ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
    )
    def test_are_sent(self, run, service, canned, job_body, command, path):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"POST {path}"] = canned(job_body(state="queued"), 202)
        assert run(*command, *KEY).exit_code == 0
        (request,) = service.sent("POST", path)
        assert request.headers["Idempotency-Key"] == "night-7"

    def test_one_that_cannot_be_one_is_wrong_usage(self, run, service):
        found = run("train", *WORK, "--idempotency-key", "two words")
        assert found.exit_code == 2
        assert "visible ASCII" in found.stderr
        assert service.requests == []


class TestNoRoom:
    def test_ends_a_command_at_once_as_the_page_on_automating_says(self, run, service, canned):
        problem = {"title": "Too many requests", "code": "too_many_waiting", "detail": "", "hint": "Submit more later."}
        service.answers["POST /v1/jobs"] = canned(problem, 429, {"Retry-After": "30"})  # commands wait for 3 s
        assert run("train", *WORK, "--detach").exit_code == 3
        assert len(service.requests) == 1


class TestValidateOnly:
    def test_says_what_would_be_run(self, run, service, canned):
        service.answers["POST /v1/jobs"] = canned(PLAN)
        found = run("train", *WORK, "--validate-only")
        assert found.exit_code == 0
        assert found.stdout.splitlines() == [
            "steps  1260",
            "",
            "spec",
            "  kind     training",
            "  dataset  digits",
            "  epochs   10",
            "",
            "nothing was queued; run it by leaving out --validate-only",
        ]
        assert [(one.method, one.query) for one in service.requests] == [("POST", {"validate_only": ["true"]})]

    def test_as_json(self, run, service, canned):
        service.answers["POST /v1/jobs"] = canned(PLAN)
        assert json.loads(run("range-test", *WORK, "--validate-only", "--json").stdout) == PLAN

    def test_a_refusal_is_exit_code_3(self, run, service, canned):
        errors = [{"pointer": "#/epochs", "detail": "must be at least 1", "code": "too_small"}]
        problem = {"title": "Not valid", "code": "too_small", "detail": "", "errors": errors}
        service.answers["POST /v1/jobs"] = canned(problem, 422)
        found = run("train", *WORK, "--epochs", "0", "--validate-only")
        assert found.exit_code == 3
        assert "--epochs: must be at least 1" in found.stderr


class TestDelete:
    def test_a_job(self, run, service, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body(state="failed"))
        service.answers[f"DELETE {JOB}"] = canned(status=204)
        assert run("delete", JOB_ID).stdout == f"{JOB_ID} deleted\n"
        assert json.loads(run("delete", JOB_ID, "--json").stdout)["id"] == JOB_ID

    def test_a_job_that_goes_on(self, run, service, canned, job_body):
        problem = {"title": "Conflict", "code": "job_not_ended", "detail": "It runs.", "hint": "Cancel it first."}
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"DELETE {JOB}"] = canned(problem, 409)
        found = run("delete", JOB_ID)
        assert (found.exit_code, found.stdout) == (3, "")

    def test_a_model(self, run, service, canned):
        service.answers["GET /v1/models/mdl_1"] = canned({"id": "mdl_1"})
        service.answers["DELETE /v1/models/mdl_1"] = canned(status=204)
        assert run("models", "delete", "mdl_1").stdout == "mdl_1 deleted\n"
        assert json.loads(run("models", "delete", "mdl_1", "--json").stdout) == {"id": "mdl_1"}


class TestJobs:
    def test_of_a_parent_and_more_than_a_page(self, run, service, canned, job_body):
        def page(request):
            size = int(request.query["limit"][0])
            return canned({"items": [job_body()] * size, "next_cursor": "more"})

        service.answers["GET /v1/jobs"] = page
        found = run("jobs", "--parent", "job_1", "--limit", "450")
        assert len(found.stdout.splitlines()) == 1 + 450
        assert [one.query["limit"] for one in service.requests] == [["200"], ["200"], ["50"]]
        assert {one.query["parent_id"][0] for one in service.requests} == {"job_1"}


class TestSchedule:
    def test_sends_what_is_given(self, run, service, canned):
        curve = {"step": [0, 9], "learning_rate": [0.04, 0.4], "momentum": None, "steps": 10}
        service.answers["POST /v1/schedules/preview"] = canned(curve)
        command = ("schedule", "preview", "--max-lr", "0.4", "--steps", "10")
        found = run(*command, "--shape", "cosine", "--set", "schedule.up=0.3")
        assert found.stdout == "step\tlearning rate\tmomentum\n0\t0.04\t-\n9\t0.4\t-\n"
        assert json.loads(service.requests[0].body) == {
            "schedule": {"policy": "one_cycle", "shape": "cosine", "max_lr": 0.4, "up": 0.3},
            "steps": 10,
            "max_points": 20,
        }
        assert json.loads(run(*command, "--json").stdout) == curve
        assert json.loads(service.requests[1].body)["max_points"] == 1000

    def test_has_no_field_of_a_training(self, run, service):
        found = run("schedule", "preview", "--max-lr", "0.4", "--steps", "10", "--set", "epochs=3")
        assert found.exit_code == 2
        assert "epochs is no field of a schedule" in found.stderr
        assert service.requests == []
