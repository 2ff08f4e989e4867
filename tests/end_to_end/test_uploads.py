"""An upload whose client or server is killed in the middle leaves nothing behind, and can be sent again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from app.db.session import Database
from supercycle import Client, ProblemError
from supercycle.config import child_environment
from worker.keeper.collector import KEPT_SECONDS, Collector

MIB = 1 << 20


class Api:
    """A real API process."""

    def __init__(self, settings, port, log, **environment):
        self.url, self._port, self._log = f"http://127.0.0.1:{port}", port, log
        self._environment = child_environment({"SUPERCYCLE_DATA_DIR": str(settings.data_dir)} | environment)
        self.start()

    def start(self):
        command = [sys.executable, "-m", "app.main", "--port", str(self._port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stderr=log)
        try:
            with Client(self.url, patience=60) as client:
                client.datasets()  # which waits for an answer
        except BaseException:
            self.kill()
            raise

    def kill(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def log(tmp_path):
    return tmp_path / "api.log"


@pytest.fixture
def api(sqlite_settings, free_port, log):
    api = Api(sqlite_settings, free_port, log)
    yield api
    api.kill()


@pytest.fixture
def large(tmp_path):
    """A file that takes a while to send; it takes no room itself."""
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.truncate(2048 * MIB)
    return path


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.zip"
    path.write_bytes(b"hello")
    return path


@pytest.fixture
def sending(api, large, sqlite_settings):
    """`supercycle datasets add` in the middle of its work."""
    command = [sys.executable, "-m", "supercycle", "datasets", "add", "pets", str(large), "--idempotency-key", "k"]
    process = subprocess.Popen(command, env=child_environment({"SUPERCYCLE_URL": api.url}), stderr=subprocess.DEVNULL)
    wait_until(lambda: sum(kept(sqlite_settings)) > MIB, or_ended=process)
    yield process
    process.kill()
    process.wait()


def wait_until(condition, *, or_ended=None):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        assert or_ended is None or or_ended.poll() is None
        time.sleep(0.005)


def kept(settings):
    """How many bytes lie in the folder of uploads, by file."""
    return [path.stat().st_size for path in settings.folder("uploads").iterdir()]


class TestKills:
    def test_of_the_client(self, api, sending, sqlite_settings, small, log):
        sending.send_signal(signal.SIGKILL)
        wait_until(lambda: kept(sqlite_settings) == [])
        with Client(api.url, patience=20) as client:
            assert client.add_dataset("pets", small, idempotency_key="k")["state"] == "validating"
        assert kept(sqlite_settings) == [len(b"hello")]
        assert "upload cut off" in log.read_text()

    def test_of_the_api(self, api, sending, sqlite_settings, small):
        api.kill()
        sending.kill()
        (half,) = sqlite_settings.folder("uploads").iterdir()
        api.start()
        with Client(api.url, patience=60) as client:
            assert client.add_dataset("pets", small, idempotency_key="k")["state"] == "validating"
        long_ago = time.time() - 2 * KEPT_SECONDS
        for path in sqlite_settings.folder("uploads").iterdir():
            os.utime(path, (long_ago, long_ago))  # the one that waits for its check is as old
        database = Database(sqlite_settings.database)
        Collector(database, sqlite_settings).collect()
        database.dispose()
        assert not half.exists()
        assert kept(sqlite_settings) == [len(b"hello")]


class TestRefusals:
    def test_reach_a_client_that_is_still_sending(self, sqlite_settings, free_port, log, tmp_path):
        sqlite_settings.folder("uploads")
        api = Api(sqlite_settings, free_port, log, SUPERCYCLE_DISK_FLOOR_BYTES=str(1 << 60))
        with (tmp_path / "large.zip").open("wb") as file:
            file.truncate(64 * MIB)
        with Client(api.url) as client, pytest.raises(ProblemError) as refusal:
            client.add_dataset("pets", tmp_path / "large.zip")
        api.kill()
        assert (refusal.value.status, refusal.value.code) == (507, "storage_full")
        assert kept(sqlite_settings) == []
