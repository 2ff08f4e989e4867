"""What a process logs: JSON lines for machines, escaped lines for a terminal, no keys in either."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest
import structlog
from fastapi.testclient import TestClient

from app.logs import escape, hide_secrets
from app.main import create_app

PROGRAM = """
import logging, threading, warnings
import structlog
from app.logs import configure_logs
configure_logs("api")
log = structlog.get_logger()
structlog.contextvars.bind_contextvars(job_id="job_1", fence=3)
log.info("job claimed", name="a\\nb \\x1b[31mred", devices=("cpu",))
logging.getLogger("celery").error("cannot connect to %s", "redis://:hidden@host:6379//")
warnings.warn("old\\nand tired")
thread = threading.Thread(target=lambda: log.warning("from a thread"))
thread.start()
thread.join()
try:
    raise ValueError("password=hidden")
except ValueError:
    log.exception("it broke")
"""


@pytest.fixture(scope="module")
def piped() -> list[str]:
    """The lines that the program writes into a pipe."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def shown() -> str:
    """What it writes to a terminal."""
    ours, its = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=its, stdout=its)
    os.close(its)
    output = b""
    with suppress(OSError):  # the terminal is gone with the program
        while piece := os.read(ours, 4096):
            output += piece
    os.close(ours)
    assert process.wait() == 0
    return output.decode()


class TestPiped:
    def test_each_line_is_an_object_with_the_same_facts(self, piped):
        lines = [json.loads(line) for line in piped]
        assert [line["level"] for line in lines] == ["info", "error", "warning", "warning", "error"]
        assert all(line["part"] == "api" and line["timestamp"].endswith("Z") and line["event"] for line in lines)
        assert lines[0]["devices"] == ["cpu"]

    def test_they_name_the_job(self, piped):
        lines = [json.loads(line) for line in piped]
        bound = [(line.get("job_id"), line.get("fence")) for line in lines]
        assert bound == [("job_1", 3)] * 3 + [(None, None)] + [("job_1", 3)]  # a thread begins with nothing bound

    def test_libraries_and_warnings_are_told_apart(self, piped):
        lines = [json.loads(line) for line in piped]
        assert [line.get("logger") for line in lines] == [None, "celery", "py.warnings", None, None]

    def test_nobody_can_write_a_line_of_his_own(self, piped):
        assert json.loads(piped[0])["name"] == "a\nb \x1b[31mred"
        assert r"a\nb \u001b[31mred" in piped[0]

    def test_a_traceback_is_one_line(self, piped):
        assert json.loads(piped[-1])["exception"].startswith("Traceback (most recent call last):\n")


class TestOnATerminal:
    def test_people_can_read_it(self, shown):
        assert "job claimed" in shown
        assert "Traceback (most recent call last)" in shown
        assert not any(line.startswith("{") for line in shown.splitlines())

    def test_a_users_text_does_not_command_it(self, shown):
        assert r"a\nb \x1b[31mred" in shown
        assert r"old\nand tired" in shown


class TestSecrets:
    def test_none_is_printed(self, piped, shown):
        assert "hidden" not in shown + "".join(piped)

    @pytest.mark.parametrize(
        ("text", "safe"),
        [
            ("cannot reach amqp://me:pass@host//", "cannot reach amqp://***@host//"),
            ("redis://:p%40ss@host:6379/0 and https://host/a@b", "redis://***@host:6379/0 and https://host/a@b"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("dsn: user=me password=abc host=db", "dsn: user=me password=*** host=db"),
            ("{'secret_access_key': 'abc'}", "{'secret_access_key': ***"),
            ("unexpected token: x", "unexpected token: x"),
            ("key sc_0123456789abcdef0123 is old", "key sc_*** is old"),
            ("job_01 wrote models/mdl_1/weights", "job_01 wrote models/mdl_1/weights"),
        ],
    )
    def test_each_form(self, text, safe):
        assert hide_secrets(None, "info", {"event": "x", "error": text})["error"] == safe


def test_letters_of_all_languages_stay():
    assert escape(None, "info", {"event": "Übergröße 模型"}) == {"event": "Übergröße 模型"}


class TestFullDisk:
    PROGRAM = """
import os, sys, structlog
from app.logs import configure_logs
configure_logs("api")
log = structlog.get_logger()
for text in ("one", "two"):
    log.info(text)
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), sys.stderr.fileno())  # there is room again
for text in ("three", "four"):
    log.info(text)
"""

    @pytest.mark.parametrize("unbuffered", ["", "1"])  # as a shell starts Python, and as an image does
    def test_lines_without_room_are_lost_and_counted_and_nothing_waits_for_them(self, tmp_path, unbuffered):
        log, environment = tmp_path / "log", os.environ | {"PYTHONUNBUFFERED": unbuffered}
        with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
            command = [sys.executable, "-c", self.PROGRAM, log]
            subprocess.run(command, stderr=full, env=environment, check=True, timeout=30)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [(line["event"], line.get("lines_lost")) for line in lines] == [("three", 2), ("four", None)]


class TestRequests:
    def test_a_line_names_the_request(self, sqlite_settings, queue, monkeypatch):
        seen = []

        class Watching(type(queue)):
            def hint(self, job_id):
                seen.append(structlog.contextvars.get_contextvars())
                return True

        body = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
        with TestClient(create_app(sqlite_settings, queue=Watching()), base_url="http://127.0.0.1") as client:
            for name in ("mine", "yours"):
                assert client.post("/v1/jobs", json=body, headers={"X-Request-ID": name}).status_code == 202
        assert seen == [{"request_id": "mine"}, {"request_id": "yours"}]
