"""The service as a process: where it listens, what it cannot even read, and how it ends."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.db.migrate import upgrade

ROOT = Path(__file__).parents[2]


def start(tmp_path, *arguments, **options):
    environment = os.environ | {"SUPERCYCLE_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app.main", *arguments]
    return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, **options)


def get_when_up(process, url):
    """The answer of a service that is about to listen."""
    until = time.monotonic() + 60
    while True:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.1)


class TestAddress:
    @pytest.mark.parametrize("host", ["0.0.0.0"])  # noqa: S104
    def test_without_a_key_only_loopback(self, tmp_path, host):
        process = start(tmp_path, "--host", host)
        _, message = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "SUPERCYCLE_API_KEY is not set" in message
        assert f"so the service listens on loopback only, not on {host}" in message


class TestProcess:
    def test_it_serves_until_its_parent_goes(self, tmp_path, free_port):
        upgrade(Settings(data_dir=tmp_path))
        with start(tmp_path, "--port", str(free_port), "--follow-stdin", stdin=subprocess.PIPE) as process:
            base = f"http://127.0.0.1:{free_port}"
            assert get_when_up(process, f"{base}/healthz").json() == {"status": "live"}
            assert httpx.get(f"{base}/v1/jobs").json() == {"items": [], "next_cursor": None}
            assert httpx.get(f"{base}/healthz", headers={"Host": "evil.example"}).status_code == 403
            process.stdin.close()
            process.wait(timeout=20)
            assert "Traceback" not in process.stderr.read()

    def test_it_listens_on_the_newer_loopback_too(self, tmp_path, free_port):
        upgrade(Settings(data_dir=tmp_path))
        arguments = ("--host", "::1", "--port", str(free_port), "--follow-stdin")
        with start(tmp_path, *arguments, stdin=subprocess.PIPE) as process:
            response = get_when_up(process, f"http://[::1]:{free_port}/v1/jobs")
            assert response.json() == {"items": [], "next_cursor": None}
            process.stdin.close()
            process.wait(timeout=20)


HEAD = b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
MANY = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(100))


@pytest.fixture(scope="module")
def send(tmp_path_factory, _clean_environment):
    """Sends bytes to a service as they are."""
    folder = tmp_path_factory.mktemp("raw")
    upgrade(Settings(data_dir=folder))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def over_the_wire(content, *, again=b""):
        """The lines and the body that come back; `again` follows for as long as it is taken, which must have an end."""
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(content)
            with suppress(ConnectionError):
                for _ in range(1000 if again else 0):
                    connection.sendall(again)
                assert not again, "an endless head was read to no end"
            head, _, body = received(connection).partition(b"\r\n\r\n")
            return head.decode().lower().split("\r\n"), body

    with start(folder, "--port", str(port), "--follow-stdin", stdin=subprocess.PIPE) as process:
        get_when_up(process, f"http://127.0.0.1:{port}/healthz")
        yield over_the_wire
        process.stdin.close()
        process.wait(timeout=20)


def received(connection):
    content = b""
    with suppress(ConnectionError):
        while more := connection.recv(65536):
            content += more
    return content


class TestUnreadable:
    """What no endpoint ever sees is a problem all the same."""

    def check(self, answer, status, code):
        (first, *lines), body = answer
        headers = dict(line.split(": ", 1) for line in lines)
        found = json.loads(body)
        assert first.startswith(f"http/1.1 {status} ")
        assert (found["status"], found["code"]) == (status, code)
        assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
        assert headers["x-request-id"] == found["request_id"] != ""
        assert headers["x-content-type-options"] == "nosniff"
        assert int(headers["content-length"]) == len(body)

    @pytest.mark.parametrize(
        "content",
        [
            b"NONSENSE\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",  # somebody meant https
            HEAD + b"Content-Length: x\r\n\r\n",
            HEAD + b"no colon\r\n\r\n",
            "GET /v1/jöbs HTTP/1.1\r\n\r\n".encode(),
            b"GET http://[::1/ HTTP/1.1\r\n\r\n",
            CHUNKED + b"zz\r\n",
        ],
    )
    def test_no_http(self, send, content):
        self.check(send(content), 400, "malformed_request")

    @pytest.mark.parametrize(
        "content",
        [
            HEAD + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
            HEAD + MANY + b"\r\n",
            b"GET /v1/jobs?" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        ],
    )
    def test_too_much_before_the_body(self, send, content):
        self.check(send(content), 431, "head_too_large")

    @pytest.mark.parametrize(
        ("content", "again"),
        [
            (HEAD + b"X-A: ", b"a" * 65536),
            (HEAD, MANY),
            (b"GET /", b"a" * 65536),
            (CHUNKED + b"2\r\n{}\r\n0\r\nX-A: ", b"a" * 65536),  # a trailer, which follows a body
        ],
    )
    def test_a_head_without_end(self, send, content, again):
        send(content, again=again)  # the connection ends; what it still says may be lost with it

    @pytest.mark.parametrize("bytes_long", [60_000, 3_000_000])
    def test_a_long_head_and_a_long_body_are_fine(self, send, bytes_long):
        head, body = (b"a" * bytes_long, b"") if bytes_long < 65536 else (b"a", b"x" * bytes_long)
        request = b"POST /v1/schedules/preview HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-A: " + head
        (first, *_), _ = send(request + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert first.split()[1] == ("413" if body else "422")
