import json

import pytest

OLD = "job_01h2xcejqtf2nbrexx3vqjhp40"
NEW = "job_01h2xcejqtf2nbrexx3vqjhp41"


@pytest.fixture
def new_job(service, canned, job_body, event_stream):
    """An old job that was cancelled, and the new one that comes of it, which succeeds."""
    end = (1, "state", {"state": "succeeded", "previous": "running"})
    service.answers[f"GET /v1/jobs/{OLD}"] = canned(job_body(id=OLD, state="cancelled"))
    for verb in ("retry", "clone"):
        service.answers[f"POST /v1/jobs/{OLD}/{verb}"] = canned(job_body(id=NEW, state="queued", source_id=OLD), 202)
    service.answers[f"GET /v1/jobs/{NEW}"] = canned(job_body(id=NEW, state="succeeded"))
    service.answers[f"GET /v1/jobs/{NEW}/events"] = event_stream(end)


@pytest.mark.usefixtures("new_job")
@pytest.mark.parametrize("verb", ["retry", "clone"])
class TestBoth:
    def test_follow_the_new_job(self, run, verb):
        found = run(verb, OLD)
        assert found.exit_code == 0, found.output
        assert found.stdout.splitlines()[0] == f"{NEW} training"
        assert found.stdout.splitlines()[-1] == f"save the files with: supercycle download {NEW}"

    def test_let_go_of_it(self, run, verb):
        assert run(verb, OLD, "--detach").stdout == f"{NEW} queued\nfollow it with: supercycle watch {NEW}\n"
        assert json.loads(run(verb, OLD, "--detach", "--json").stdout)["id"] == NEW


@pytest.mark.usefixtures("new_job")
class TestClone:
    def test_sends_the_changes_alone(self, run, service):
        changes = ("--set", "epochs=20", "--set", "schedule.up=0.3", "--max-runtime", "12h", "--priority", "5")
        run("clone", OLD, *changes, "--detach")
        (request,) = service.sent("POST", f"/v1/jobs/{OLD}/clone")
        assert json.loads(request.body) == {
            "epochs": 20,
            "schedule": {"up": 0.3},
            "max_runtime_seconds": 43_200,  # 12 · 3600
            "priority": 5,
        }

    @pytest.mark.parametrize(
        "wrong", [["--set", "epochs"], ["--max-runtime", "soon"], ["--device", "cpu", "--set", "device=any"]]
    )
    def test_wrong_usage_asks_nothing_of_the_service(self, run, service, wrong):
        assert run("clone", OLD, *wrong).exit_code == 2
        assert service.requests == []
