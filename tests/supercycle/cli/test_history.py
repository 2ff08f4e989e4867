import json

import pytest

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
STEPS = {"phase": "training", "first_step": 8, "learning_rate": [0.1, 0.2], "momentum": [], "loss": [2.0, 1.5]}
EVENTS = [
    {"seq": seq, "type": kind, "time": "2026-01-01T00:00:00.5+00:00", "attempt": 1, "data": data}
    for seq, kind, data in (
        (4, "steps", STEPS),
        (5, "epoch", {"epoch": 1, "validation_accuracy": 0.5}),
        (6, "log", {"level": "info", "message": "\x1b[31mred"}),
    )
]
EPOCHS = {"epoch": [1, 2], "validation_accuracy": [0.5, 0.75]}
METRICS = {"phase": "training", "steps": {"step": [0], "training_loss": [2.5]}, "epochs": EPOCHS}


@pytest.fixture(autouse=True)
def job(service, canned, job_body):
    service.answers[f"GET {JOB}"] = canned(job_body())
    service.answers[f"GET {JOB}/events"] = canned({"items": EVENTS, "last_seq": 6})
    service.answers[f"GET {JOB}/metrics"] = canned(METRICS)


class TestEvents:
    def test_are_told_one_a_line_and_not_followed(self, run, service):
        found = run("events", JOB_ID, "--after", "3")
        assert found.stdout.splitlines() == [
            "seq\ttime\tevent\twhat",
            "4\t2026-01-01T00:00:00+00:00\tsteps\tphase=training, steps=8-9, learning_rate=0.2, loss=1.5",
            "5\t2026-01-01T00:00:00+00:00\tepoch\tepoch=1, validation_accuracy=50.0 %",
            "6\t2026-01-01T00:00:00+00:00\tlog\tlevel=info, message=?[31mred",
        ]
        assert service.requests[-1].query["after"] == ["3"]
        assert "text/event-stream" not in service.requests[-1].headers["Accept"]

    def test_are_json_lines(self, run):
        lines = run("events", JOB_ID, "--json").stdout.splitlines()
        assert [json.loads(line)["seq"] for line in lines] == [4, 5, 6]
        assert json.loads(lines[0])["data"] == STEPS

    def test_an_error_is_json_too(self, run, service):
        del service.answers[f"GET {JOB}/events"]
        found = run("events", JOB_ID, "--json")
        assert found.exit_code == 3
        assert json.loads(found.stdout)["error"]["code"] == "not_found"


class TestMetrics:
    def test_are_a_table_of_epochs(self, run, service):
        assert run("metrics", JOB_ID).stdout == "epoch\tvalidation_accuracy\n1\t0.5\n2\t0.75\n"
        assert service.requests[-1].query == {"max_points": ["20"]}

    @pytest.mark.parametrize(
        "epochs", [{}, {"epoch": []}, {"epoch": [1, 2]}, {"epoch": [], "validation_accuracy": []}], ids=repr
    )
    def test_or_of_steps_where_epochs_say_nothing(self, run, service, canned, epochs):
        service.answers[f"GET {JOB}/metrics"] = canned(METRICS | {"epochs": epochs})
        assert run("metrics", JOB_ID).stdout == "step\ttraining_loss\n0\t2.5\n"

    def test_as_json_whole(self, run, service):
        options = ("--phase", "verifying", "--series", "momentum", "--series", "learning_rate", "--max-points", "7")
        assert json.loads(run("metrics", JOB_ID, "--json", *options).stdout) == METRICS
        assert service.requests[-1].query == {
            "phase": ["verifying"],
            "series": ["momentum", "learning_rate"],
            "max_points": ["7"],
        }
        run("metrics", JOB_ID, "--json")
        assert service.requests[-1].query == {}

    def test_as_csv(self, run, service, canned):
        service.answers[f"GET {JOB}/metrics"] = canned(b"step,loss\n0,nan\n")
        assert run("metrics", JOB_ID, "--csv").stdout == "step,loss\n0,nan\n"
        assert service.requests[-1].headers["Accept"] == "text/csv"

    def test_not_both(self, run, service):
        assert run("metrics", JOB_ID, "--csv", "--json").exit_code == 2
        assert service.requests == []


class TestLogsAndArtifacts:
    def test_the_log_cannot_steer_the_terminal(self, run, service, canned):
        service.answers[f"GET {JOB}/logs"] = canned(b"first\n\x1b[31msecond\n")
        assert run("logs", JOB_ID).stdout == "first\n?[31msecond\n"

    def test_artifacts(self, run, service, canned):
        file = {
            "name": "loss.png",
            "size": 1_234_567,
            "sha256": "ab" * 32,
            "media_type": "image/png",
            "created_at": "2026-01-01T00:00:00.5Z",
        }
        service.answers[f"GET {JOB}/artifacts"] = canned({"items": [file], "next_cursor": None})
        assert run("artifacts", JOB_ID).stdout.splitlines() == [
            "name\tsize\ttype\tdigest\tcreated",
            "loss.png\t1.23 MB\timage/png\tsha256:abababababab\t2026-01-01T00:00:00Z",
        ]
        assert json.loads(run("artifacts", JOB_ID, "--json").stdout) == [file]
