"""What changes something is sent again, too: the service knows by its key that it is the same."""

import hashlib
import json
import socket
import threading
import uuid

import pytest

from supercycle import Client, ConnectionFailed, ProblemError

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
BUSY = {"title": "Busy", "code": "unavailable"}
IN_PROGRESS = {"title": "Conflict", "code": "idempotency_in_progress", "detail": "The first is not done."}
SUBMISSIONS = {
    "submit": (lambda client, **key: client.submit({"kind": "training"}, **key), "/v1/jobs"),
    "train": (lambda client, **key: client.train(dataset="digits", **key), "/v1/jobs"),
    "range_test": (lambda client, **key: client.range_test(dataset="digits", **key), "/v1/jobs"),
    "retry": (lambda client, **key: client.job(JOB_ID).retry(**key), f"{JOB}/retry"),
    "clone": (lambda client, **key: client.job(JOB_ID).clone(epochs=2, **key), f"{JOB}/clone"),
    "register": (lambda client, **key: client.register_dataset("cats", "/srv/cats", **key), "/v1/datasets"),
    "add_webhook": (lambda client, **key: client.add_webhook("https://example.com/", **key), "/v1/webhooks"),
    "redeliver": (
        lambda client, **key: client.redeliver("whk_1", "dlv_1", **key),
        "/v1/webhooks/whk_1/deliveries/dlv_1/redeliver",
    ),
}


def keys(service, path):
    return [request.headers["Idempotency-Key"] for request in service.sent("POST", path)]


@pytest.fixture(params=SUBMISSIONS)
def submission(request, service, canned, job_body):
    """One way to submit something, and where it is sent; the service takes it unless told otherwise."""
    submit, path = SUBMISSIONS[request.param]
    service.answers[f"GET {JOB}"] = canned(job_body())
    service.answers[f"POST {path}"] = canned(job_body(), 202)
    return submit, path


class TestKeys:
    def test_each_call_has_one_of_its_own(self, submission, service, client):
        submit, path = submission
        submit(client)
        submit(client)
        first, second = keys(service, path)
        assert first != second
        assert uuid.UUID(first).version == 4

    def test_a_callers_key_is_sent_and_is_no_part_of_the_body(self, submission, service, client):
        submit, path = submission
        submit(client, idempotency_key="night-7")
        assert keys(service, path) == ["night-7"]
        assert b"idempotency" not in service.requests[-1].body

    @pytest.mark.parametrize("key", ["", "a b", "é", "a\n", "x" * 256])
    def test_one_that_fits_no_header_is_refused_here(self, service, client, key):
        with pytest.raises(ValueError, match="1 to 255 visible ASCII characters"):
            client.train(dataset="digits", idempotency_key=key)
        assert service.requests == []

    def test_verbs_and_questions_have_one(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"POST {JOB}/pause"] = canned(job_body(state="pausing"))
        service.answers["POST /v1/schedules/preview"] = canned({"step": [0]})
        client.job(JOB_ID).pause()
        client.preview_schedule({"policy": "constant", "max_lr": 1.0}, 10)
        assert len({*keys(service, f"{JOB}/pause"), *keys(service, "/v1/schedules/preview")}) == 2


class TestPosts:
    @pytest.mark.parametrize(
        "trouble",
        [
            {"body": BUSY, "status": 503},
            {"body": {"title": "Slow down", "code": "too_many_requests"}, "status": 429},
            {"body": IN_PROGRESS, "status": 409},
            {"body": b"{", "cut": 100},
        ],
        ids=["busy", "limited", "in progress", "broken connection"],
    )
    def test_are_sent_again_under_the_same_key(self, submission, service, client, canned, job_body, trouble):
        submit, path = submission
        service.answers[f"POST {path}"] = [canned(**trouble), canned(**trouble), canned(job_body(), 202)]
        submit(client)
        assert len(keys(service, path)) == 3
        assert len(set(keys(service, path))) == 1
        assert len({request.body for request in service.sent("POST", path)}) == 1

    def test_wait_as_long_as_they_are_told(self, service, client, canned, job_body, monkeypatch):
        slept = []
        monkeypatch.setattr("time.sleep", slept.append)
        told = canned(BUSY, 503, {"Retry-After": "1"})
        service.answers["POST /v1/jobs"] = [told, told, canned(job_body(), 202)]
        client.train(dataset="digits")
        assert slept[:2] == [1.0, 1.0]

    def test_give_up_at_once_where_the_wait_is_longer_than_their_patience(self, service, client, canned):
        limit = {"title": "Limit", "code": "too_many_waiting"}
        service.answers["POST /v1/jobs"] = canned(limit, 429, {"Retry-After": "3"})  # patience is 2 s
        with pytest.raises(ProblemError, match="Limit") as caught:
            client.train(dataset="digits")
        assert caught.value.retry_after_seconds == 3
        assert len(service.requests) == 1

    @pytest.mark.parametrize(("code", "status"), [("idempotency_mismatch", 422), ("job_ended", 409), ("x", 500)])
    def test_a_refusal_is_final(self, service, client, canned, code, status):
        service.answers["POST /v1/jobs"] = canned({"title": "No", "code": code}, status)
        with pytest.raises(ProblemError, match=code):
            client.train(dataset="digits")
        assert len(service.requests) == 1

    def test_nobody_there_is_said_when_patience_ends(self):
        with Client("http://127.0.0.1:9", patience=0) as client, pytest.raises(ConnectionFailed):
            client.train(dataset="digits")


class TestUploads:
    def test_are_read_from_their_start_again(self, service, client, canned, tmp_path):
        content = bytes(range(256)) * 1000
        (tmp_path / "cats.zip").write_bytes(content)
        taken = canned({"name": "cats"}, 202)
        service.answers["POST /v1/datasets"] = [canned(BUSY, 503), canned(b"{", cut=100), taken]
        assert client.add_dataset("cats", tmp_path / "cats.zip") == {"name": "cats"}
        assert [content in request.body for request in service.requests] == [True] * 3
        assert len(set(keys(service, "/v1/datasets"))) == 1

    def test_a_folder_is_the_same_archive_whenever_it_is_packed(self, service, client, canned, tmp_path, monkeypatch):
        (tmp_path / "cats").mkdir()
        (tmp_path / "cats" / "1.png").write_bytes(b"png")
        service.answers["POST /v1/datasets"] = canned({"name": "cats"}, 202)
        digests = set()
        for hour in range(2):
            monkeypatch.setattr("time.time", lambda hour=hour: 1e9 + 3600 * hour)
            client.add_dataset("cats", tmp_path / "cats", idempotency_key="cats-1")
            (tmp_path / "cats" / "1.png").touch()
            body = service.requests[-1].body
            start = body.index(b"\r\n\r\n", body.index(b"filename="))
            digests.add(hashlib.sha256(body[start : body.rindex(b"\r\n--")]).hexdigest())
        assert len(digests) == 1


class TestDeletes:
    def test_are_sent_again(self, service, client, canned):
        service.answers["DELETE /v1/datasets/cats"] = [canned(BUSY, 503), canned(status=204)]
        client.delete_dataset("cats")
        assert len(service.requests) == 2

    def test_what_is_gone_after_a_lost_answer_was_deleted(self, service, client, canned):
        gone = canned({"title": "Not found", "code": "unknown_dataset"}, 404)
        service.answers["DELETE /v1/datasets/cats"] = [canned(b"", 500, cut=100), gone]
        client.delete_dataset("cats")
        assert len(service.requests) == 2

    def test_what_was_never_there_is_a_problem(self, service, client, canned):
        gone = canned({"title": "Not found", "code": "unknown_dataset"}, 404)
        service.answers["DELETE /v1/datasets/cats"] = [canned(BUSY, 503), gone]
        with pytest.raises(ProblemError, match="unknown_dataset"):
            client.delete_dataset("cats")

    def test_a_try_that_reached_nobody_deleted_nothing(self, free_port):
        """Nobody listens at first; then a service that does not know the data set."""
        with Client(f"http://127.0.0.1:{free_port}", patience=20) as client:
            late = threading.Timer(0.3, _answer_once, [free_port])
            late.start()
            with pytest.raises(ProblemError, match="unknown_dataset"):
                client.delete_dataset("cats")
            late.join()


def _answer_once(port):
    body = json.dumps({"title": "Not found", "code": "unknown_dataset"}).encode()
    with socket.create_server(("127.0.0.1", port)) as listener, listener.accept()[0] as connection:
        connection.recv(65536)
        head = f"HTTP/1.1 404 Not Found\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)
