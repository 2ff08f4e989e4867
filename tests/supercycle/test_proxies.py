"""A proxy that stands before the service answers for it while it is away, with pages of its own."""

import pytest

from supercycle import Client, ProblemError, UnexpectedAnswer

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
PAGE = b"<html><h1>The proxy's own page</h1></html>"
SUCCEEDED = {"state": "succeeded", "previous": "running"}


@pytest.fixture(params=[429, 502, 503, 504])
def page(request, canned):
    """What a proxy says while the service is away, or while it holds back requests itself."""
    return canned(PAGE, request.param, {"Content-Type": "text/html"})


class TestAway:
    def test_reads_go_on(self, service, client, page, canned, job_body):
        service.answers[f"GET {JOB}"] = [page, page, canned(job_body())]
        assert client.job(JOB_ID).state == "running"
        assert len(service.requests) == 3

    def test_posts_go_on_under_the_same_key(self, service, client, page, canned, job_body):
        service.answers["POST /v1/jobs"] = [page, page, canned(job_body(), 202)]
        client.train(dataset="digits")
        assert len(service.requests) == 3
        assert len({request.headers["Idempotency-Key"] for request in service.requests}) == 1

    def test_uploads_go_on(self, service, client, page, canned, tmp_path):
        (tmp_path / "cats.zip").write_bytes(b"zip")
        service.answers["POST /v1/datasets"] = [page, canned({"name": "cats"}, 202)]
        assert client.add_dataset("cats", tmp_path / "cats.zip") == {"name": "cats"}

    def test_waiting_goes_on(self, service, client, page, canned, job_body):
        service.answers[f"GET {JOB}"] = [canned(job_body()), page, canned(job_body(state="succeeded"))]
        assert client.job(JOB_ID).wait().state == "succeeded"

    def test_following_goes_on(self, service, client, page, canned, job_body, event_stream):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"GET {JOB}/events"] = [
            event_stream((1, "epoch", {"epoch": 1}), cut=100),
            page,
            event_stream((2, "state", SUCCEEDED)),
        ]
        assert [event.seq for event in client.job(JOB_ID).events()] == [1, 2]

    def test_downloads_go_on(self, service, client, page, canned, tmp_path):
        service.answers["GET /v1/models/mdl_1"] = canned({"files": [{"name": "w", "sha256": None, "href": "/files/w"}]})
        service.answers["GET /files/w"] = [canned(b"wei", cut=4), page, canned(b"weights")]
        (saved,) = client.download_model("mdl_1", tmp_path)
        assert saved.read_bytes() == b"weights"

    def test_a_wait_that_is_asked_for_is_kept(self, service, client, canned, job_body, monkeypatch):
        slept = []
        monkeypatch.setattr("time.sleep", slept.append)
        service.answers[f"GET {JOB}"] = [canned(PAGE, 503, {"Retry-After": "1"}), canned(job_body())]
        client.job(JOB_ID)
        assert slept[:1] == [1.0]

    def test_patience_ends(self, service, page):
        service.answers["GET /v1/datasets"] = page
        with Client(service.url, patience=0) as hasty, pytest.raises(UnexpectedAnswer) as caught:
            hasty.datasets()
        assert caught.value.status == page.status
        assert str(caught.value).startswith(f"{service.url} answered {page.status} ")
        assert "may be away" in str(caught.value)

    def test_is_not_ready(self, service, client, canned):
        service.answers["GET /readyz"] = canned(PAGE, 503)
        assert client.ready() is False


class TestDeletes:
    @pytest.mark.parametrize(
        ("status", "may_be_done"),
        [(502, True), (504, True), (503, False), (429, False)],  # only a gateway may have handed it on
    )
    def test_what_is_gone_then_may_have_been_deleted(self, service, client, canned, status, may_be_done):
        gone = canned({"title": "Not found", "code": "unknown_dataset"}, 404)
        service.answers["DELETE /v1/datasets/cats"] = [canned(PAGE, status), gone]
        if may_be_done:
            client.delete_dataset("cats")
        else:
            with pytest.raises(ProblemError, match="unknown_dataset"):
                client.delete_dataset("cats")
        assert len(service.requests) == 2


class TestSomebodyElse:
    @pytest.mark.parametrize("status", [400, 403, 404, 500])
    @pytest.mark.parametrize(
        "body",
        [PAGE, b"", [], {"detail": "Not Found"}, {"code": 404, "message": "No"}],  # a problem's code is a word
        ids=["a page", "nothing", "a list", "other JSON", "a numeric code"],
    )
    def test_is_told_at_once(self, service, client, canned, status, body):
        service.answers["GET /v1/datasets"] = canned(body, status)
        with pytest.raises(UnexpectedAnswer, match=rf"answered {status} .* not as Supercycle does; check SUPERCYCLE_U"):
            client.datasets()
        assert len(service.requests) == 1

    def test_says_so_of_a_stream(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"GET {JOB}/events"] = canned(PAGE, 403)
        with pytest.raises(UnexpectedAnswer, match="answered 403 Forbidden"):
            list(client.job(JOB_ID).events())
