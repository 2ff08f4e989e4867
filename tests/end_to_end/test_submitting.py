"""Clients that retry under one Idempotency-Key make each job once, while the API is killed again and again."""

import random
import signal
import subprocess
import sys
import threading
import time
import uuid

import httpx
import pytest
from sqlalchemy import func, select

from app.db.session import Database
from app.db.tables import JobTable
from supercycle.config import child_environment

BODY = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
CLIENTS = 4
PATIENCE_SECONDS = 60


class MortalApi:
    """A real API process that is killed whenever it has answered a few requests, and started again."""

    def __init__(self, settings, port):
        self.http, self.kills = httpx.Client(base_url=f"http://127.0.0.1:{port}"), 0
        self._command = [sys.executable, "-m", "app.main", "--port", str(port)]
        broker = settings.broker_url or ""
        named = {"DATA_DIR": str(settings.data_dir), "DATABASE_URL": settings.database_url, "BROKER_URL": broker}
        self._environment = child_environment({f"SUPERCYCLE_{name}": value for name, value in named.items()})
        self._process = self._start()

    def _start(self):
        return subprocess.Popen(self._command, env=self._environment, stderr=subprocess.DEVNULL)

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.kills += 1
        self._process = self._start()

    def is_up(self):
        try:
            return self.http.get("/healthz", timeout=2).is_success
        except httpx.TransportError:
            return False

    def stop(self):
        self.http.close()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def api(settings, free_port):
    api = MortalApi(settings, free_port)
    yield api
    api.stop()


def submit(http, key):
    """As the client does: again under the same key until it is answered."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            answer = http.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": key}, timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if answer.status_code == 202:
            return answer.json()["id"]
        assert answer.status_code in (409, 503), answer.text
        time.sleep(0.05)
    raise AssertionError(f"no answer for {PATIENCE_SECONDS} s")


def run(api, count, *, lives):
    """Submit `count` jobs while the API is killed between moments it was up; the ids that clients heard."""
    waiting, ids, over = [uuid.uuid4().hex for _ in range(count)], [], threading.Event()

    def work():
        while waiting:
            try:
                key = waiting.pop()
            except IndexError:
                return
            ids.append(submit(api.http, key))

    def murder():
        chance = random.Random(0)
        while not over.is_set():
            if api.is_up():
                over.wait(chance.uniform(*lives))
                api.kill()
            time.sleep(0.05)

    clients = [threading.Thread(target=work) for _ in range(CLIENTS)]
    murderer = threading.Thread(target=murder)
    for thread in [*clients, murderer]:
        thread.start()
    for thread in clients:
        thread.join()
    over.set()
    murderer.join()
    return ids


def check(api, settings, count, *, lives, kills):
    ids = run(api, count, lives=lives)
    database = Database(settings.database)
    with database.reading() as session:
        stored = session.scalar(select(func.count()).select_from(JobTable))
    database.dispose()
    assert stored == count
    assert len(ids) == len(set(ids)) == count
    assert api.kills >= kills


def test_forty(api, settings):
    check(api, settings, 40, lives=(0.5, 1.0), kills=1)


@pytest.mark.verify
def test_a_thousand(api, settings):
    check(api, settings, 1000, lives=(0.05, 0.5), kills=8)
