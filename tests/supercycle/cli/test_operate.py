import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from supercycle.cli.app import app
from supercycle.cli.devices import Torch
from supercycle.cli.serving import devices_for, free_port, parts_of, sole_use, what_is_missing


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a command in an empty folder, with only the settings that are given."""
    for name in ("URL", "API_KEY", "DATABASE_URL", "BROKER_URL", "STORAGE_URL"):
        monkeypatch.delenv(f"SUPERCYCLE_{name}", raising=False)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, **settings):
        env = {f"SUPERCYCLE_{name.upper()}": value for name, value in settings.items()}
        return CliRunner().invoke(app, arguments, env=env)

    return invoke


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class TestServe:
    def test_refuses_an_open_door(self, run, tmp_path):
        found = run("serve", "--host", "0.0.0.0")  # noqa: S104
        assert found.exit_code == 2
        assert "SUPERCYCLE_API_KEY" in found.stderr
        assert list(tmp_path.iterdir()) == []

    def test_refuses_a_port_that_is_taken(self, run, taken_port):
        found = run("serve", "--port", str(taken_port), "--data-dir", "data")
        assert found.exit_code == 2
        assert "Address already in use" in found.stderr

    def test_refuses_a_folder_in_use(self, run, tmp_path):
        with sole_use(tmp_path / "data"):
            found = run("serve", "--port", "0", "--data-dir", "data")
        assert found.exit_code == 2
        assert "another" in found.stderr

    def test_says_which_setting_is_wrong(self, run):
        found = run("serve", lease_seconds="-1")
        assert found.exit_code == 2
        assert found.stderr == "SUPERCYCLE_LEASE_SECONDS: Input should be greater than 0\n"


class TestParts:
    def test_api_keeper_and_a_worker_per_device(self, tmp_path):
        parts = parts_of(
            host="127.0.0.1", port=8000, devices=["cuda:0", "cuda:1"], logs=tmp_path, environment={"A": "b"}
        )
        assert [part.name for part in parts] == ["api", "keeper", "worker-0", "worker-1"]
        assert all(part.argv[-1] == "--follow-stdin" and part.environment == {"A": "b"} for part in parts)
        assert parts[0].argv[2:7] == ("app.main", "--host", "127.0.0.1", "--port", "8000")
        name = f"{socket.gethostname()}:1"
        assert parts[3].argv[2:-1] == ("worker", "--devices", "cuda:1", "--name", name)
        assert parts[3].log == tmp_path / "worker-1.log"

    @pytest.mark.parametrize(("workers", "devices"), [(None, ["a", "b"]), (1, ["a"]), (3, ["a", "b", "a"])])
    def test_workers_take_devices_in_turn(self, monkeypatch, workers, devices):
        monkeypatch.setattr("supercycle.cli.serving.has_nvidia_device", lambda: True)
        monkeypatch.setattr("supercycle.cli.serving.ask_torch", lambda: Torch(devices=["a", "b"]))
        assert devices_for(workers) == devices


class TestPort:
    def test_nought_is_any_free_one(self):
        assert 1024 <= free_port("127.0.0.1", 0) < 65_536

    def test_a_host_that_is_not_ours(self):
        with pytest.raises(typer.BadParameter, match="cannot listen"):
            free_port("192.0.2.1", 0)  # reserved for documentation


class TestReadiness:
    def test_names_what_is_missing(self, service, canned):
        parts = {"database": {"ok": True, "detail": "answers"}, "worker": {"ok": False, "detail": "none heard"}}
        service.answers["GET /readyz"] = [canned({"parts": parts}, 503), canned(b"x", 502), canned({"parts": {}})]
        assert what_is_missing(service.url) == "worker: none heard"
        assert what_is_missing(service.url) == "/readyz answers 502"
        assert what_is_missing(service.url) is None

    def test_nobody_there(self):
        assert what_is_missing("http://127.0.0.1:9") == "the api does not answer (ConnectError)"


class TestParted:
    def test_a_part_runs_in_place_of_the_command(self, tmp_path):
        argv = [sys.executable, "-m", "supercycle", "keeper"]
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
        )
        try:
            line = Path(f"/proc/{process.pid}/cmdline")
            for _ in range(200):
                if b"worker.keeper" in line.read_bytes():
                    break
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.1)
            assert line.read_bytes().split(b"\0")[1:3] == [b"-m", b"worker.keeper"]
        finally:
            process.kill()
            process.communicate()
