"""The service as a process: where it listens, and how it ends."""

import os
import subprocess
import sys
import time
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
