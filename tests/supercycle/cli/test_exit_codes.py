"""What scripts rely on: each code is documented, and given for what it says."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from supercycle.cli.app import app
from supercycle.cli.exit_codes import MEANINGS, ExitCode, exit_code
from supercycle.errors import (
    ConnectionFailed,
    DigestMismatch,
    NotReady,
    ProblemError,
    SupercycleError,
    UnexpectedAnswer,
    WaitTimeout,
)

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"


class TestMeanings:
    def test_every_code_has_one_and_help_says_it(self):
        assert set(MEANINGS) == set(ExitCode)
        help_text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
        for code, meaning in MEANINGS.items():
            assert f"{code.value}: {meaning.replace('`', '')}" in help_text

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (ProblemError(status=422, code="x", title="x", detail=""), 3),
            (ProblemError(status=503, code="x", title="x", detail=""), 3),
            (ConnectionFailed(), 4),
            (UnexpectedAnswer(), 4),
            (NotReady(), 1),
            (DigestMismatch(), 1),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_every_error_of_the_client_has_a_code(self, error, code):
        assert exit_code(error) == code

    def test_there_is_no_other_error(self):
        # A command never waits with a timeout; the demonstration is no command.
        handled = {ProblemError, ConnectionFailed, UnexpectedAnswer, NotReady, DigestMismatch, WaitTimeout}
        assert {kind for kind in SupercycleError.__subclasses__() if kind.__module__ == "supercycle.errors"} == handled


class TestCodes:
    def test_a_damaged_file_is_1(self, run, service, canned, tmp_path):
        files = [{"name": "w", "sha256": "0" * 64, "href": "/files/w"}]
        service.answers["GET /v1/models/mdl_1"] = canned({"files": files})
        service.answers["GET /files/w"] = canned(b"weights")
        found = run("models", "download", "mdl_1", "--to", str(tmp_path), "--json")
        assert found.exit_code == 1
        assert json.loads(found.stdout)["error"]["code"] == "digest_mismatch"

    def test_a_folder_that_cannot_be_made_is_1_without_a_traceback(self, run, service, canned, tmp_path):
        (tmp_path / "file").write_text("")
        service.answers["GET /v1/models/mdl_1"] = canned({"files": [{"name": "w", "sha256": None, "href": "/w"}]})
        found = run("models", "download", "mdl_1", "--to", str(tmp_path / "file" / "below"), "--json")
        assert found.exit_code == 1
        assert "Not a directory" in found.stderr
        assert json.loads(found.stdout)["error"]["code"] == "os_error"

    def test_ctrl_c_in_a_download_is_130(self, service, canned, tmp_path):
        digest = "ab" * 32
        asked = []

        def broken(request):
            asked.append(request)
            return canned(b"first", headers={"ETag": f'"{digest}"'}, cut=10)

        files = [{"name": "w", "sha256": digest, "href": "/files/w"}]
        service.answers["GET /v1/models/mdl_1"] = canned({"files": files})
        service.answers["GET /files/w"] = broken
        argv = [sys.executable, "-m", "supercycle", "--url", service.url, "models", "download", "mdl_1", "--to", "."]
        with subprocess.Popen(argv, cwd=tmp_path, env=dict(os.environ), stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 30
            while not asked and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=20)
        assert process.returncode == 130
        assert b"Traceback" not in complaint

    @pytest.mark.parametrize("status", [403, 404, 502, 503, 504])
    def test_the_page_of_somebody_else_is_4(self, run, service, canned, status):
        service.answers["GET /v1/jobs"] = canned(b"<html>", status, {"Retry-After": "60"})  # longer than patience lasts
        found = run("jobs", "--json")
        assert found.exit_code == 4
        assert json.loads(found.stdout)["error"]["code"] == "unexpected_answer"
        assert f"{service.url} answered {status} " in found.stderr

    def test_a_reader_that_goes_away_is_no_error_to_tell(self, service, canned, job_body):
        service.answers["GET /v1/jobs"] = canned({"items": [job_body()] * 1000, "next_cursor": None})
        command = f"{sys.executable} -m supercycle --url {service.url} jobs --limit 1000 | head -1"
        found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        assert found.stdout.startswith("id\tkind")
        assert "Broken pipe" not in found.stderr
