import json
from typing import get_args

import pytest

from app.domain.specs import AnySpec
from supercycle.cli.jobs import KINDS

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
RESULT = {
    "best": {"epoch": 2, "validation_accuracy": 0.9814, "validation_loss": 0.1},
    "test_accuracy": None,
    "epochs_run": 2,
    "seconds": 12.5,
}


class TestJobs:
    def test_columns_for_pipes(self, run, service, canned, job_body):
        service.answers["GET /v1/jobs"] = canned({"items": [job_body(name="mine")], "next_cursor": None})
        found = run("jobs", "--state", "running", "--state", "queued", "--kind", "training", "--limit", "5")
        assert found.stdout.splitlines() == [
            "id\tkind\tname\tstate\tphase\tdone\tcreated",
            f"{JOB_ID}\ttraining\tmine\trunning\ttraining\t50 %\t2026-01-01T00:00:00Z",
        ]
        assert service.requests[0].query == {"state": ["running", "queued"], "kind": ["training"], "limit": ["5"]}

    @pytest.mark.parametrize("option", ["kind", "state", "tag"])
    def test_a_repeated_filter_is_sent_whole(self, run, service, canned, option):
        service.answers["GET /v1/jobs"] = canned({"items": [], "next_cursor": None})
        run("jobs", f"--{option}", "a", f"--{option}", "b")
        assert service.requests[0].query[option] == ["a", "b"]

    def test_help_names_every_kind_there_is(self):
        assert sorted(KINDS) == sorted(spec.model_fields["kind"].annotation.__args__[0] for spec in get_args(AnySpec))

    def test_show(self, run, service, canned, job_body):
        sgd = {"name": "sgd", "momentum": 0.9, "nesterov": True}
        spec = {"kind": "training", "dataset": {"name": "digits", "id": None}, "optimizer": sgd, "pretrained": False}
        resolved = {
            "device": {"value": "cpu", "reason": "as started"},
            "max_lr": {"value": 0.05, "origin": "range_test", "reason": "The loss fell."},
            "dataset": {"value": f"sha256:{'0123456789abcdef' * 4}", "reason": "its version"},
            "pretrained": {"value": None, "reason": "fresh weights"},
        }
        job = job_body(spec=spec, resolved=resolved, result=RESULT, created_at="2026-01-01T00:00:00.123456Z")
        service.answers[f"GET {JOB}"] = canned(job)
        found = run("show", JOB_ID)
        assert found.exit_code == 0
        assert found.stdout.splitlines() == [
            f"id          {JOB_ID}",
            "kind        training",
            "state       running",
            "phase       training",
            "progress    50.0 %, about 1 s left in this phase",
            "attempts    1",
            "worker      host:0",
            "created_at  2026-01-01T00:00:00Z",
            "started_at  2026-01-01T00:00:01Z",
            "",
            "spec",
            "  dataset     digits",
            "  optimizer   sgd, momentum=0.9, nesterov=yes",
            "  pretrained  no",
            "",
            "settled by the service",
            "  max_lr   0.05                 The loss fell.",
            "  device   cpu                  as started",
            "  dataset  sha256:0123456789ab  its version",
            "",
            "result",
            "  best        epoch=2, validation_accuracy=98.1 %, validation_loss=0.1",
            "  epochs_run  2",
            "  seconds     12.5",
        ]

    def test_show_says_how_it_was_to_be_run(self, run, service, canned, job_body):
        terms = {"priority": 5, "device": "cuda", "max_runtime_seconds": 5400.0, "on_time_limit": "fail"}
        service.answers[f"GET {JOB}"] = canned(job_body(source_id="job_1", **terms))
        facts = run("show", JOB_ID).stdout.splitlines()[5:9]
        assert facts == [
            "priority    5",
            "device      cuda only",
            "time limit  1 h 30 min, then it fails",  # 5400 s
            "made from   job_1",
        ]

    @pytest.mark.parametrize(
        ("state", "error", "last"),
        [
            ("paused", None, f"let it go on with: supercycle resume {JOB_ID}"),
            ("cancelled", {"code": "cancelled", "title": "x"}, f"start it over with: supercycle retry {JOB_ID}"),
            (
                "failed",
                {"code": "worker_lost", "title": "x", "retryable": True},
                f"try it again with: supercycle retry {JOB_ID}",
            ),
            (
                "failed",
                {"code": "time_limit", "title": "x", "retryable": False},
                f"submit it again, changed, with: supercycle clone {JOB_ID} --set FIELD=VALUE",
            ),
        ],
    )
    def test_show_names_the_next_command(self, run, service, canned, job_body, state, error, last):
        service.answers[f"GET {JOB}"] = canned(job_body(state=state, error=error))
        found = run("show", JOB_ID)
        assert found.stdout.splitlines()[-1] == last
        assert bool(found.stderr) == (state == "failed")  # who cancelled a job need not be told in red

    def test_show_of_a_paused_job_says_how_far_it_came(self, run, service, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body(state="paused", phase=None))
        assert "progress    50.0 %" in run("show", JOB_ID).stdout.splitlines()

    def test_a_time_limit_is_explained_in_options(self, run, service, canned, job_body):
        error = {"code": "time_limit", "title": "Reached", "detail": "It ran for 6 s.", "hint": "Say on_time_limit."}
        service.answers[f"GET {JOB}"] = canned(job_body(state="failed", error=error))
        assert run("show", JOB_ID).stderr.splitlines() == [
            "Reached (time_limit)",
            "It ran for 6 s.",
            "Allow more with --max-runtime, or let it pause then with --on-time-limit pause.",
        ]

    def test_advice_on_a_failure_names_commands(self, run, service, canned, job_body):
        error = {"code": "cancelled", "title": "Lost", "detail": "", "hint": "POST …/retry makes a new job of it."}
        service.answers[f"GET {JOB}"] = canned(job_body(state="failed", error=error))
        assert run("show", JOB_ID).stderr.splitlines()[-1] == "`supercycle retry JOB` makes a new job of it."

    @pytest.mark.parametrize(
        ("verb", "state", "next_command"),
        [
            ("pause", "pausing", f"let it go on with: supercycle resume {JOB_ID}"),
            ("resume", "queued", f"follow it with: supercycle watch {JOB_ID}"),
        ],
    )
    def test_pause_and_resume(self, run, service, canned, job_body, verb, state, next_command):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"POST {JOB}/{verb}"] = canned(job_body(state=state))
        assert run(verb, JOB_ID).stdout == f"{JOB_ID} {state}\n{next_command}\n"
        assert json.loads(run(verb, JOB_ID, "--json").stdout)["state"] == state

    def test_cancel(self, run, service, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"POST {JOB}/cancel"] = canned(job_body(state="cancelling"))
        assert run("cancel", JOB_ID).stdout == f"{JOB_ID} cancelling\n"

    def test_cancel_what_has_ended(self, run, service, canned, job_body):
        problem = {"title": "Conflict", "code": "job_ended", "detail": "It has ended.", "hint": "DELETE removes it."}
        service.answers[f"GET {JOB}"] = canned(job_body(state="failed"))
        service.answers[f"POST {JOB}/cancel"] = canned(problem, 409)
        found = run("cancel", JOB_ID)
        assert found.exit_code == 3
        assert found.stderr.splitlines()[-1] == "There is nothing to cancel."

    def test_download(self, run, service, canned, job_body, tmp_path):
        files = [{"name": "log.txt", "size": 1, "sha256": None, "href": "/files/log.txt"}]
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"GET {JOB}/artifacts"] = canned({"items": files, "next_cursor": None})
        service.answers["GET /files/log.txt"] = canned(b"log")
        found = run("download", JOB_ID, "--to", str(tmp_path), "--json")
        assert found.exit_code == 0
        assert found.stderr == f"{JOB_ID} is running: more files will come; follow it with: supercycle watch {JOB_ID}\n"
        assert json.loads(found.stdout) == [str(tmp_path / "log.txt")]
        assert (tmp_path / "log.txt").read_bytes() == b"log"

    @pytest.mark.parametrize(
        ("state", "complaint"),
        [
            ("running", f"is running and has nothing to download yet; follow it with: supercycle watch {JOB_ID}"),
            ("paused", f"is paused and has nothing to download yet; let it go on with: supercycle resume {JOB_ID}"),
            ("cancelled", "is cancelled and left no files"),
        ],
    )
    def test_download_of_nothing(self, run, service, canned, job_body, tmp_path, state, complaint):
        service.answers[f"GET {JOB}"] = canned(job_body(state=state))
        service.answers[f"GET {JOB}/artifacts"] = canned({"items": [], "next_cursor": None})
        found = run("download", JOB_ID, "--to", str(tmp_path / "out"))
        assert (found.exit_code, found.stdout, found.stderr) == (1, "", f"{JOB_ID} {complaint}\n")
        assert not (tmp_path / "out").exists()

    def test_unknown(self, run):
        assert run("show", "job_none").exit_code == 3
