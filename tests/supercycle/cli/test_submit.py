import json
from io import StringIO

import pytest
from rich.console import Console

from supercycle.cli.follow import follow

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
WORK = ("--dataset", "digits", "--architecture", "mlp")
STEPS = {"phase": "training", "first_step": 0, "learning_rate": [0.1] * 4, "momentum": [], "loss": [1.5] * 4}
HISTORY = [
    (1, "state", {"state": "running", "previous": "queued"}),
    (2, "phase", {"phase": "training"}),
    (3, "steps", STEPS),
    (4, "state", {"state": "pausing", "previous": "running"}),
    (5, "state", {"state": "paused", "previous": "pausing"}),
]


@pytest.fixture
def paused_job(service, canned, job_body, event_stream):
    """A job that is paused halfway and stays so."""

    def events(request):
        is_stream = request.headers["Accept"] == "text/event-stream"
        return event_stream(*HISTORY) if is_stream else canned({"items": [], "last_seq": 5})

    service.answers["POST /v1/jobs"] = canned(job_body(state="queued"), 202)
    service.answers[f"GET {JOB}"] = canned(job_body(state="paused"))
    service.answers[f"GET {JOB}/events"] = events


@pytest.mark.usefixtures("paused_job")
class TestPaused:
    @pytest.mark.parametrize("command", [["watch", JOB_ID], ["train", *WORK]], ids=["watch", "train"])
    def test_following_ends_and_says_how_to_go_on(self, run, command):
        found = run(*command)
        assert found.exit_code == 5
        assert found.stderr == ""
        assert found.stdout.splitlines()[-4:] == [
            "pausing: the worker saves a checkpoint and stops",
            "paused",
            "state  paused",
            f"let it go on with: supercycle resume {JOB_ID}",
        ]

    def test_json_is_the_paused_job(self, run):
        found = run("watch", JOB_ID, "--json")
        assert found.exit_code == 5
        assert json.loads(found.stdout)["state"] == "paused"

    def test_a_bar_stops_where_it_was(self, client):
        screen = StringIO()
        follow(client.job(JOB_ID), console=Console(file=screen, force_terminal=True, width=80, color_system=None))
        final = screen.getvalue().rpartition("training")[2].splitlines()[0]
        assert final.count("━") == 3  # half of 6: 4 of 8 steps
        assert len(f"training{final}") <= 80

    def test_help_documents_the_exit_code(self, run):
        assert "5: the job is paused" in run("--help").stdout


class TestTerms:
    def test_are_sent_beside_the_spec(self, run, service, canned, job_body):
        service.answers["POST /v1/jobs"] = canned(job_body(state="queued"), 202)
        limit = ("--max-runtime", "90m", "--on-time-limit", "fail")
        run("range-test", *WORK, *limit, "--device", "cuda", "--devices", "2", "--max-attempts", "1", "--detach")
        assert json.loads(service.requests[0].body) == {
            "kind": "range_test",
            "dataset": "digits",
            "architecture": "mlp",
            "max_runtime_seconds": 5400,  # 90 · 60
            "on_time_limit": "fail",
            "device": "cuda",
            "devices": 2,
            "max_attempts": 1,
        }
