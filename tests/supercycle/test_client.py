import hashlib
import subprocess
import sys

import pytest

import supercycle
from supercycle import Client, ConnectionFailed, DigestMismatch, NotReady, ProblemError, UnexpectedAnswer, WaitTimeout

JOB = "/v1/jobs/job_01h2xcejqtf2nbrexx3vqjhp41"
RUNNING = {"state": "running", "previous": "queued"}
SUCCEEDED = {"state": "succeeded", "previous": "running"}


class TestImport:
    def test_loads_nothing_heavy(self):
        heavy = "{'httpx', 'app', 'worker', 'torch', 'numpy', 'pydantic', 'typer', 'rich'}"
        code = f"import supercycle, sys; assert not {heavy} & set(sys.modules), sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_the_client_loads_nothing_of_the_service(self):
        code = "from supercycle import Client; import sys; assert not {'app', 'worker', 'torch'} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_the_pure_parts_are_the_services_own(self):
        from app.domain.schedules import OneCycle
        from app.domain.suggestion import suggest_learning_rate

        assert supercycle.OneCycle is OneCycle
        assert supercycle.suggest_learning_rate is suggest_learning_rate

    def test_says_what_to_install(self):
        code = "import sys; sys.modules['numpy'] = None; from supercycle import suggest_learning_rate"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert 'pip install "supercycle[server]"' in found.stderr

    def test_unknown_name(self):
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            _ = supercycle.nonsense


class TestCertificates:
    @pytest.mark.parametrize(
        ("url", "are_verified"),
        [("https://service.example", True), ("HTTPS://service.example", True), ("http://127.0.0.1:1", False)],
    )
    def test_are_verified_wherever_there_are_some(self, monkeypatch, url, are_verified):
        asked = []
        monkeypatch.setattr("supercycle.transport.httpx.Client", lambda **options: asked.append(options["verify"]))
        Client(url)
        assert asked == [are_verified]


class TestSubmit:
    def test_sends_the_spec_and_the_key(self, service, canned, job_body):
        service.answers["POST /v1/jobs"] = canned(job_body(state="queued"), 202)
        with Client(service.url, "sc_secret") as client:
            job = client.train(dataset="digits", architecture="resnet9", epochs=3, tags=["a"])
        (request,) = service.requests
        assert (
            request.body == b'{"kind":"training","dataset":"digits","architecture":"resnet9","epochs":3,"tags":["a"]}'
        )
        assert request.headers["Authorization"] == "Bearer sc_secret"
        assert job.state == "queued"
        assert not job.has_ended

    def test_reads_address_and_key_from_the_environment(self, service, canned, monkeypatch):
        service.answers["GET /v1/datasets"] = canned({"items": [{"name": "digits"}], "next_cursor": None})
        monkeypatch.setenv("SUPERCYCLE_URL", f"{service.url}/")
        monkeypatch.setenv("SUPERCYCLE_API_KEY", "sc_env")
        with Client() as client:
            assert client.datasets() == [{"name": "digits"}]
        assert service.requests[0].headers["Authorization"] == "Bearer sc_env"

    def test_a_problem_is_an_error_with_its_fields(self, service, client, canned):
        problem = {
            "title": "Unprocessable",
            "status": 422,
            "code": "invalid_spec",
            "detail": "epochs must be at least 1",
            "hint": "Give epochs between 1 and 10000.",
            "errors": [{"pointer": "#/epochs", "detail": "must be at least 1", "code": "too_small"}],
            "request_id": "req_1",
        }
        service.answers["POST /v1/jobs"] = canned(problem, 422)
        with pytest.raises(ProblemError) as caught:
            client.train(dataset="digits", epochs=0)
        error = caught.value
        assert (error.status, error.code, error.request_id) == (422, "invalid_spec", "req_1")
        assert [(field.pointer, field.code) for field in error.errors] == [("#/epochs", "too_small")]
        assert "#/epochs: must be at least 1" in str(error)
        assert str(error).endswith("Give epochs between 1 and 10000.")

    def test_an_id_stays_one_segment_of_the_path(self, service, client):
        with pytest.raises(ProblemError):
            client.job("../models")
        assert service.requests[0].path == "/v1/jobs/..%2Fmodels"

    @pytest.mark.parametrize(("id", "segment"), [(".", "%2E"), ("..", "%2E%2E"), ("a.b", "a.b"), ("a/b", "a%2Fb")])
    def test_dots_do_not_lead_to_the_folder_above(self, service, client, id, segment):
        with pytest.raises(ProblemError):
            client.job(id)
        assert service.requests[0].path == f"/v1/jobs/{segment}"

    def test_an_empty_id_is_not_the_whole_list(self, service, client):
        with pytest.raises(ValueError, match="must not be empty"):
            client.job("")
        assert service.requests == []


class TestReads:
    def test_wait_out_a_503(self, service, client, canned, job_body):
        busy = canned({"title": "Busy", "code": "unavailable"}, 503)
        service.answers[f"GET {JOB}"] = [busy, busy, canned(job_body())]
        assert client.job(JOB.rpartition("/")[2]).state == "running"
        assert len(service.requests) == 3

    def test_wait_out_a_broken_connection(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = [canned(b"{", cut=100), canned(job_body())]
        assert client.job(JOB.rpartition("/")[2]).state == "running"

    def test_lists_go_through_all_pages(self, service, client, canned, job_body):
        pages = {None: (["a", "b"], "2"), "2": (["c"], None)}

        def page(request):
            names, cursor = pages[request.query.get("cursor", [None])[0]]
            return canned({"items": [job_body(id=f"job_{name}") for name in names], "next_cursor": cursor})

        service.answers["GET /v1/jobs"] = page
        assert [job.id for job in client.jobs(state=["queued", "running"], tag="x")] == ["job_a", "job_b", "job_c"]
        assert service.requests[0].query == {"state": ["queued", "running"], "tag": ["x"]}
        assert [job.id for job in client.jobs(limit=1)] == ["job_a"]
        assert len(service.requests) == 3  # two pages for the first list, one for the second

    def test_a_list_of_several_kinds_and_tags(self, service, client, canned):
        service.answers["GET /v1/jobs"] = canned({"items": [], "next_cursor": None})
        assert list(client.jobs(kind=["training", "auto"], tag=["a", "b"])) == []
        assert service.requests[0].query == {"kind": ["training", "auto"], "tag": ["a", "b"]}

    def test_nobody_there(self):
        with (
            Client("http://127.0.0.1:9", patience=0) as client,
            pytest.raises(ConnectionFailed, match="supercycle serve"),
        ):
            client.datasets()

    @pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://host:port", ""])
    def test_not_an_address(self, url, monkeypatch):
        monkeypatch.setenv("SUPERCYCLE_URL", "localhost:1")
        with pytest.raises(ConnectionFailed, match="is not an address"):
            Client(url)

    def test_somebody_else_there(self, service, client, canned):
        service.answers["GET /v1/datasets"] = canned(b"<html>")
        with pytest.raises(UnexpectedAnswer, match="not as Supercycle does"):
            client.datasets()

    def test_ready(self, service, client, canned):
        service.answers["GET /readyz"] = [canned({"ready": False}, 503), canned({"ready": True})]
        assert [client.ready(), client.ready()] == [False, True]

    def test_readiness_names_the_parts(self, service, client, canned):
        body = {"ready": False, "parts": {"worker": {"ok": False, "detail": "none"}}}
        service.answers["GET /readyz"] = [canned(body, 503), canned({"title": "Busy"}, 503)]
        assert client.readiness() == body
        with pytest.raises(UnexpectedAnswer, match="not as Supercycle does"):
            client.readiness()


class TestEvents:
    def test_a_broken_stream_is_taken_up_after_the_last_event(self, service, client, canned, job_body, event_stream):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"GET {JOB}/events"] = [
            event_stream((1, "state", RUNNING), (2, "phase", {"phase": "training"}), cut=100),
            canned({"title": "Busy", "code": "unavailable"}, 503),
            event_stream((2, "phase", {"phase": "training"}), (3, "epoch", {"epoch": 1})),  # one twice
            event_stream((4, "state", SUCCEEDED)),
        ]
        job = client.job(JOB.rpartition("/")[2])
        assert [event.seq for event in job.events()] == [1, 2, 3, 4]
        resumed = [request.headers.get("Last-Event-ID") for request in service.sent("GET", f"{JOB}/events")]
        assert resumed == [None, "2", "2", "3"]

    def test_the_history_of_an_ended_job_ends(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body(state="failed"))
        service.answers[f"GET {JOB}/events"] = canned(status=204)
        assert list(client.job(JOB.rpartition("/")[2]).events(after=7)) == []

    def test_a_deleted_job_is_a_problem(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body())
        with pytest.raises(ProblemError, match="404"):
            list(client.job(JOB.rpartition("/")[2]).events())

    def test_an_event_is_read_whole(self, service, client, canned, job_body, event_stream):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"GET {JOB}/events"] = event_stream((5, "state", SUCCEEDED))
        (event,) = client.job(JOB.rpartition("/")[2]).events()
        assert (event.seq, event.type, event.attempt, event.data) == (5, "state", 1, SUCCEEDED)
        assert event.time.isoformat() == "2026-01-01T00:00:00+00:00"


class TestWait:
    def test_asks_until_the_end(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = [canned(job_body()), canned(job_body()), canned(job_body(state="succeeded"))]
        job = client.job(JOB.rpartition("/")[2])
        assert job.wait().state == "succeeded"
        assert service.requests[-1].headers["Prefer"] == "wait=30"

    def test_gives_up(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body())
        with pytest.raises(WaitTimeout, match=r"still running after 0\.2 s"):
            client.job(JOB.rpartition("/")[2]).wait(timeout=0.2)


class TestDownload:
    @pytest.fixture
    def job(self, service, client, canned, job_body):
        def listed(name, content, sha256=None):
            digest = sha256 or hashlib.sha256(content).hexdigest()
            service.answers[f"GET /files/{name}"] = canned(content)
            return {"name": name, "size": len(content), "sha256": digest, "href": f"/files/{name}"}

        links = {"plots": {"loss": f"{JOB}/plots/loss.png"}}
        body = job_body(state="succeeded", model_id="mdl_1", links=links)
        service.answers[f"GET {JOB}"] = canned(body)
        service.answers[f"GET {JOB}/plots/loss.png"] = canned(b"picture")
        service.answers[f"GET {JOB}/artifacts"] = canned({"items": [listed("log.txt", b"log")], "next_cursor": None})
        service.answers["GET /v1/models/mdl_1"] = canned({"files": [listed("weights.safetensors", b"weights")]})
        handle = client.job(body["id"])
        handle.listed = listed
        return handle

    def test_brings_artifacts_plots_and_model(self, job, tmp_path):
        saved = job.download(tmp_path / "out")
        assert {path.name: path.read_bytes() for path in saved} == {
            "loss.png": b"picture",
            "log.txt": b"log",
            "weights.safetensors": b"weights",
        }

    def test_of_a_job_that_has_nothing_yet(self, service, client, canned, job_body, tmp_path):
        service.answers[f"GET {JOB}"] = [canned(job_body()), canned(job_body()), canned(job_body(state="failed"))]
        service.answers[f"GET {JOB}/artifacts"] = canned({"items": [], "next_cursor": None})
        job = client.job(JOB.rpartition("/")[2])
        with pytest.raises(NotReady, match="is running and has nothing to download yet"):
            job.download(tmp_path)
        assert job.download(tmp_path) == []  # it has failed by now

    def test_a_damaged_file_leaves_nothing(self, service, canned, job, tmp_path):
        files = [job.listed("weights.safetensors", b"weights", sha256="0" * 64)]
        service.answers["GET /v1/models/mdl_1"] = canned({"files": files})
        (tmp_path / "weights.safetensors").write_bytes(b"older")
        with pytest.raises(DigestMismatch, match=r"weights\.safetensors arrived damaged"):
            job.download(tmp_path)
        assert (tmp_path / "weights.safetensors").read_bytes() == b"older"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt", "loss.png", "weights.safetensors"]

    def test_a_cut_file_is_fetched_again(self, service, canned, job, tmp_path):
        service.answers["GET /files/log.txt"] = [canned(b"l", cut=100), canned(b"log")]
        job.download(tmp_path)
        assert (tmp_path / "log.txt").read_bytes() == b"log"

    @pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/b", "..", "", "a\\b"])
    def test_a_name_cannot_leave_the_folder(self, service, canned, job, tmp_path, name):
        items = [{"name": name, "size": 3, "sha256": None, "href": "/files/log.txt"}]
        service.answers[f"GET {JOB}/artifacts"] = canned({"items": items, "next_cursor": None})
        with pytest.raises(UnexpectedAnswer, match="only plain file names"):
            job.download(tmp_path / "out")
        assert list(tmp_path.glob("*evil*")) == []

    def test_a_link_cannot_lead_elsewhere(self, service, canned, job, tmp_path):
        items = [{"name": "x", "size": 3, "sha256": None, "href": "http://127.0.0.1:9/x"}]
        service.answers[f"GET {JOB}/artifacts"] = canned({"items": items, "next_cursor": None})
        with pytest.raises(UnexpectedAnswer, match="leads elsewhere"):
            job.download(tmp_path)
