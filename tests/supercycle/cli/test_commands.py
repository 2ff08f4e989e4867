import json
import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from supercycle.cli.app import app

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
RESULT = {
    "best": {"epoch": 2, "validation_accuracy": 0.9814, "validation_loss": 0.1},
    "test_accuracy": None,
    "epochs_run": 2,
    "seconds": 12.5,
}
HISTORY = [
    (1, "state", {"state": "queued", "previous": None}),
    (2, "state", {"state": "running", "previous": "queued"}),
    (3, "phase", {"phase": "training"}),
    (4, "steps", {"phase": "training", "first_step": 0, "learning_rate": [0.1] * 4, "momentum": [], "loss": [1.5] * 4}),
    (5, "epoch", {"epoch": 1, "validation_accuracy": 0.5}),
    (6, "warning", {"code": "low_confidence", "detail": "The curve is \x1b[31mnoisy."}),
    (7, "epoch", {"epoch": 2, "validation_accuracy": 0.9814}),
]

WORK = ("--dataset", "digits", "--architecture", "mlp")
SPEC = {"dataset": "digits", "architecture": "mlp"}

DATASET = {
    "id": "ds_1",
    "name": "cats",
    "kind": "uploaded",
    "state": "validating",
    "classes": ["tabby", "tiger"],
    "counts": {"train": {"tabby": 3, "tiger": 4}, "test": {}},
    "report": {"problems": [{"code": "empty", "path": "lion", "detail": "no images", "hint": "Remove it."}]},
}


@pytest.fixture
def job_runs(service, canned, job_body, event_stream):
    """A job that is submitted, runs and ends as told."""

    def prepare(state, **changes):
        end = (8, "state", {"state": state, "previous": "running"})
        ended = job_body(state=state, model_id="mdl_1", **changes)
        service.answers["POST /v1/jobs"] = canned(job_body(state="queued"), 202)
        service.answers[f"GET {JOB}"] = [canned(job_body()), canned(ended)]
        service.answers[f"GET {JOB}/events"] = event_stream(*HISTORY, end)

    return prepare


class TestTrain:
    def test_follows_to_the_end_in_plain_lines(self, run, job_runs, service):
        resolved = {"max_lr": {"value": 0.8, "origin": "verification", "reason": "Short cycles say so."}}
        job_runs("succeeded", result=RESULT, resolved=resolved)
        found = run("train", *WORK, "--epochs", "2", "--tag", "a", "--tag", "b")
        assert found.exit_code == 0, found.output
        lines = found.stdout.splitlines()
        assert lines[:4] == [
            f"{JOB_ID} training",
            "training",
            "  epoch 1/2  lr 0.1  loss 1.5  val 50.0 %",
            "warning: The curve is ?[31mnoisy. (low_confidence)",
        ]
        assert "validation accuracy  98.1 % (epoch 2)" in lines
        assert "learning rate        0.8" in lines
        assert "reason               Short cycles say so." in lines
        assert lines[-1] == f"save the files with: supercycle download {JOB_ID}"
        (request,) = service.sent("POST", "/v1/jobs")
        assert json.loads(request.body) == {"kind": "training", "tags": ["a", "b"], **SPEC, "epochs": 2}

    def test_a_failed_job_is_exit_code_1_and_says_why(self, run, job_runs):
        error = {"code": "lr_diverged", "title": "Diverged", "detail": "The loss is nan.", "hint": "Lower max_lr."}
        job_runs("failed", error=error)
        found = run("train", *WORK)
        assert found.exit_code == 1
        assert found.stderr == "Diverged (lr_diverged)\nThe loss is nan.\nLower max_lr.\n"

    def test_json_is_the_final_job_and_nothing_else(self, run, job_runs):
        job_runs("succeeded", result=RESULT)
        found = run("train", *WORK, "--json")
        assert found.exit_code == 0
        assert json.loads(found.stdout)["state"] == "succeeded"

    def test_detached(self, run, job_runs, service):
        job_runs("succeeded")
        found = run("train", *WORK, "--detach")
        assert found.stdout == f"{JOB_ID} queued\nfollow it with: supercycle watch {JOB_ID}\n"
        assert len(service.requests) == 1

    def test_a_refusal_is_exit_code_3_with_every_field(self, run, service, canned):
        problem = {
            "title": "Unprocessable",
            "code": "invalid_spec",
            "detail": "Two fields are wrong.",
            "hint": "Correct them.",
            "errors": [
                {"pointer": "#/epochs", "detail": "must be at least 1", "code": "too_small"},
                {"pointer": "#/seed", "detail": "must not be negative", "code": "too_small"},
            ],
        }
        service.answers["POST /v1/jobs"] = canned(problem, 422)
        found = run("train", *WORK, "--epochs", "0", "--seed", "-1")
        assert found.exit_code == 3
        assert found.stderr.splitlines() == [
            "Unprocessable (invalid_spec)",
            "Two fields are wrong.",
            "  --epochs: must be at least 1",
            "  --seed: must not be negative",
            "Correct them.",
        ]

    @pytest.mark.parametrize(
        ("given", "missing"),
        [
            ([], "--dataset and --architecture"),
            (["--architecture", "mlp"], "--dataset"),
            (["--set", "dataset=digits"], "--architecture"),
        ],
    )
    def test_what_has_no_default_must_be_given(self, run, service, given, missing):
        found = run("train", *given)
        assert found.exit_code == 2
        assert f"Invalid value for {missing}: must be given" in found.stderr
        assert service.requests == []

    @pytest.mark.parametrize("wrong", [["--epochs", "many"], ["--nonsense"], ["--set", "epochs"], ["--spec", "none"]])
    def test_wrong_usage_is_exit_code_2(self, run, service, wrong):
        assert run("train", *WORK, *wrong).exit_code == 2
        assert service.requests == []


class TestRangeTest:
    def test_shows_the_suggestion(self, run, service, canned, job_body, event_stream):
        result = {"max_lr": 0.7312345, "reason": "steepest at 0.7", "warnings": ["no_divergence"]}
        ended = job_body(kind="range_test", state="succeeded", result=result)
        service.answers["POST /v1/jobs"] = canned(job_body(kind="range_test"), 202)
        service.answers[f"GET {JOB}"] = canned(ended)
        service.answers[f"GET {JOB}/events"] = event_stream((1, "state", {"state": "succeeded", "previous": "running"}))
        found = run("range-test", *WORK, "--steps", "100", "--end-lr", "5")
        assert found.exit_code == 0
        assert "learning rate  0.7312" in found.stdout
        assert "reason         steepest at 0.7" in found.stdout
        sent = json.loads(service.sent("POST", "/v1/jobs")[0].body)
        assert sent == {"kind": "range_test", **SPEC, "steps": 100, "end_lr": 5.0}


class TestWatch:
    def test_ctrl_c_lets_go_and_says_how_to_go_on(self, service, canned, job_body, event_stream):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"GET {JOB}/events"] = event_stream(*HISTORY)  # it never ends
        argv = [sys.executable, "-m", "supercycle", "--url", service.url, "watch", JOB_ID]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == f"{JOB_ID} training\n"
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=20)
        assert process.returncode == 130
        assert complaint.splitlines()[1:] == [
            f"{JOB_ID} goes on. Follow it with: supercycle watch {JOB_ID}",
            f"Put it aside with: supercycle pause {JOB_ID}",
            f"Stop it with: supercycle cancel {JOB_ID}",
        ]


class TestDatasetsAndModels:
    def test_list(self, run, service, canned):
        service.answers["GET /v1/datasets"] = canned({"items": [DATASET], "next_cursor": None})
        assert run("datasets", "list").stdout.splitlines()[1] == "cats\tuploaded\tvalidating\t2\t7\tds_1"

    def test_show_names_problems(self, run, service, canned):
        service.answers["GET /v1/datasets/cats"] = canned(DATASET)
        assert "problem  lion: no images Remove it." in run("datasets", "show", "cats").stdout

    def test_show_names_problems_of_the_whole(self, run, service, canned):
        problem = {"code": "not_an_archive", "path": None, "detail": "No archive.", "hint": "Send one."}
        service.answers["GET /v1/datasets/cats"] = canned(DATASET | {"report": {"problems": [problem]}})
        assert "problem  No archive. Send one." in run("datasets", "show", "cats").stdout

    def test_add_and_register(self, run, service, canned, tmp_path):
        service.answers["POST /v1/datasets"] = canned(DATASET, 202)
        (tmp_path / "cats.zip").write_bytes(b"PK")
        added = run("datasets", "add", "cats", str(tmp_path / "cats.zip"))
        assert added.stdout.splitlines()[-1] == "see how the check went with: supercycle datasets show cats"
        assert run("datasets", "register", "cats", "/srv/cats", "--json").exit_code == 0
        assert json.loads(service.requests[1].body) == {"name": "cats", "path": "/srv/cats"}

    def test_add_nothing(self, run, tmp_path):
        assert run("datasets", "add", "cats", str(tmp_path / "nowhere")).exit_code == 2

    @pytest.mark.parametrize("given", ["cats", "ds_1"])
    def test_delete_says_what_was_deleted(self, run, service, canned, given):
        service.answers[f"GET /v1/datasets/{given}"] = canned(DATASET)
        service.answers["DELETE /v1/datasets/ds_1"] = canned(status=204)
        assert run("datasets", "delete", given).stdout == "cats (ds_1) deleted\n"
        assert json.loads(run("datasets", "delete", given, "--json").stdout) == DATASET
        assert len(service.sent("DELETE", "/v1/datasets/ds_1")) == 2

    def test_delete_what_is_in_use(self, run, service, canned):
        problem = {"title": "In use", "code": "dataset_in_use", "detail": "A job needs cats.", "hint": "Cancel it."}
        service.answers["GET /v1/datasets/cats"] = canned(DATASET)
        service.answers["DELETE /v1/datasets/ds_1"] = canned(problem, 409)
        found = run("datasets", "delete", "cats")
        assert (found.exit_code, found.stdout) == (3, "")
        assert found.stderr.splitlines() == ["In use (dataset_in_use)", "A job needs cats.", "Cancel it."]

    def test_models(self, run, service, canned, tmp_path):
        model = {
            "id": "mdl_1",
            "architecture": {"name": "resnet9", "width": 16},
            "dataset": {"name": "digits"},
            "metrics": {"validation_accuracy": 0.98},
            "job_id": JOB_ID,
            "created_at": "2026-01-01T00:00:00Z",
            "files": [{"name": "weights.safetensors", "sha256": None, "href": "/files/w"}],
        }
        custom = model | {"architecture": {"name": "custom", "layers": [{"type": "flatten"}, {"type": "linear"}]}}
        service.answers["GET /v1/models"] = canned({"items": [model, custom], "next_cursor": None})
        service.answers["GET /v1/models/mdl_1"] = canned(model)
        service.answers["GET /files/w"] = canned(b"weights")
        listed = run("models", "list").stdout
        assert "resnet9, width=16\tdigits\t98.0 %" in listed
        assert "\tcustom\tdigits\t98.0 %" in listed  # its layers would fill the screen
        found = run("models", "download", "mdl_1", "--to", str(tmp_path))
        assert found.stdout == f"{tmp_path / 'weights.safetensors'}\n"


class TestRoot:
    def test_nobody_there_is_exit_code_4(self):
        found = CliRunner().invoke(app, ["--url", "http://127.0.0.1:9", "cancel", JOB_ID])
        assert found.exit_code == 4
        assert "no answer from http://127.0.0.1:9" in found.stderr

    def test_an_error_is_json_too_where_json_is_asked_for(self, run, service, canned):
        errors = [{"pointer": "#/epochs", "detail": "too few", "code": "too_small"}]
        problem = {"title": "Not valid", "code": "too_small", "detail": "epochs", "hint": "More.", "errors": errors}
        service.answers["POST /v1/jobs"] = canned(problem | {"request_id": "req_1"}, 422)
        found = run("train", *WORK, "--epochs", "0", "--json")
        assert found.exit_code == 3
        assert json.loads(found.stdout) == {"error": problem | {"status": 422, "request_id": "req_1"}}

    def test_no_answer_is_json_too(self):
        found = CliRunner().invoke(app, ["--url", "http://127.0.0.1:9", "show", JOB_ID, "--json"])
        assert found.exit_code == 4
        assert json.loads(found.stdout)["error"]["code"] == "connection_failed"

    @pytest.mark.parametrize(
        "command",
        [["show"], ["cancel"], ["datasets", "show"], ["datasets", "delete"], ["models", "download"], ["architectures"]],
        ids=" ".join,
    )
    def test_an_empty_name_is_wrong_usage(self, run, service, command):
        found = run(*command, "")
        assert found.exit_code == 2
        assert "is empty" in found.stderr
        assert service.requests == []

    def test_help_documents_the_exit_codes(self):
        found = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"})
        for code in ("0: done", "1: the job failed", "2: wrong usage", "3: the service refused", "130: interrupted"):
            assert code in found.stdout

    @pytest.mark.parametrize("word", ["version", "--version"])
    def test_version(self, word):
        argv = [sys.executable, "-m", "supercycle", word]
        found = subprocess.run(argv, capture_output=True, text=True, check=True, env=dict(os.environ))
        assert found.stdout == "0.1.0\n"
