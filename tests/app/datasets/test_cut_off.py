"""Uploads over a real connection that do not come to their end: nothing is kept of them, and the log says so."""

import contextlib
import json
import os
import socket
import threading
import time

import pytest
import structlog
import uvicorn

from app.main import create_app

MIB = 1 << 20
HEAD = (
    b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\npets\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
)
END = b"\r\n--x--\r\n"


@pytest.fixture
def port(settings, queue):
    server = uvicorn.Server(uvicorn.Config(create_app(settings, queue=queue), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def said():
    with structlog.testing.capture_logs() as lines:
        yield lines


class Upload:
    """One upload, piece by piece."""

    def __init__(self, port, length=64 * MIB, key="k"):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        head = (
            f"POST /v1/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: {key}\r\nContent-Length: {length}\r\n"
        )
        self.send(head.encode() + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + HEAD)

    def send(self, data):
        self._socket.sendall(data)

    def answer(self):
        """Status and problem."""
        received = b""
        while b"\r\n\r\n" not in received or b"}" not in received:
            received += self._socket.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def close(self, *, rudely=False):
        if rudely:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end
        self._socket.close()


def whole(port, data=b"hello", key="k"):
    """A small upload that comes to its end."""
    upload = Upload(port, len(HEAD) + len(data) + len(END), key)
    upload.send(data + END)
    answer = upload.answer()
    upload.close()
    return answer


def wait_until(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def kept(settings):
    """How many bytes lie in the folder of uploads, by file; one may go while they are counted."""

    def sizes():
        for path in settings.folder("uploads").iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield path.stat().st_size

    return lambda: list(sizes())


class TestCutOff:
    @pytest.mark.parametrize("rudely", [False, True], ids=["closed", "reset"])
    def test_nothing_stays_and_the_key_is_free(self, port, kept, said, rudely):
        upload = Upload(port)
        upload.send(bytes(5 * MIB))
        wait_until(lambda: sum(kept()) >= MIB)
        upload.close(rudely=rudely)
        wait_until(lambda: kept() == [])
        (line,) = [line for line in said if line["event"] == "upload cut off"]
        assert line["received_bytes"] >= MIB
        assert line["log_level"] == "warning"
        assert whole(port)[0] == 202

    def test_one_that_falls_silent_is_given_up(self, port, kept, said, monkeypatch):
        monkeypatch.setattr("app.datasets.upload.SILENCE_SECONDS", 0.3)
        upload = Upload(port)
        upload.send(bytes(5 * MIB))
        status, problem = upload.answer()
        assert (status, problem["code"]) == (422, "upload_cut_off")
        assert "nothing came for 0.3 s" in problem["detail"]
        assert kept() == []
        assert [line["event"] for line in said if line["event"] == "upload cut off"]
        upload.close()
        assert whole(port)[0] == 202

    def test_one_that_is_slow_is_not(self, port, kept, monkeypatch):
        monkeypatch.setattr("app.datasets.upload.SILENCE_SECONDS", 0.5)
        upload = Upload(port, len(HEAD) + 8 + len(END))
        for _ in range(8):
            time.sleep(0.1)
            upload.send(b"x")
        upload.send(END)
        assert upload.answer()[0] == 202
        assert kept() == [8]
        upload.close()

    def test_what_has_come_of_a_slow_one_is_written_before_long(self, port, kept, settings, monkeypatch):
        """Else nobody would have written to its file for an hour, and the keeper would remove it."""
        monkeypatch.setattr("app.datasets.upload._WRITE_SECONDS", 0.1)
        upload = Upload(port, len(HEAD) + 20 + len(END))
        for _ in range(10):
            time.sleep(0.05)
            upload.send(b"x")
        wait_until(lambda: sum(kept()) > 0)
        (file,) = settings.folder("uploads").iterdir()
        os.utime(file, (0, 0))
        time.sleep(0.2)
        upload.send(b"x")
        wait_until(lambda: file.stat().st_mtime > 0)
        upload.send(b"x" * 9 + END)
        assert upload.answer()[0] == 202
        assert kept() == [20]
        upload.close()

    def test_a_second_one_under_the_same_key_is_told_to_wait(self, port, kept):
        upload = Upload(port)
        upload.send(bytes(2 * MIB))
        wait_until(lambda: sum(kept()) >= MIB)
        status, problem = whole(port)
        assert (status, problem["code"]) == (409, "idempotency_in_progress")
        upload.close()
        wait_until(lambda: kept() == [])
        assert whole(port)[0] == 202


class TestRefusals:
    """They come before the body has."""

    def test_of_a_length(self, port, settings, kept):
        settings.max_upload_bytes = MIB
        upload = Upload(port)
        assert upload.answer()[1]["code"] == "body_too_large"
        assert kept() == []
        upload.close()

    def test_of_a_disk(self, port, settings, kept):
        settings.disk_floor_bytes = 1 << 60
        upload = Upload(port)
        assert upload.answer()[0] == 507
        assert kept() == []
        upload.close()
