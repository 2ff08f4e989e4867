"""Hints as Celery messages: on the embedded broker, on Redis, and on one that is away."""

import base64
import json
import socket
import threading
import time

import pytest
import redis

from app.config import Settings
from app.queue import CeleryQueue


def content(message):
    """Task name and arguments of a raw message."""
    body = json.loads(base64.b64decode(message["body"]))
    return message["headers"]["task"], body[0]


class TestEmbedded:
    def test_a_hint_is_a_message_in_the_data_folder(self, tmp_path):
        queue = CeleryQueue(Settings(data_dir=tmp_path))
        assert queue.hint("job_1") is True
        [path] = (tmp_path / "broker" / "queue").glob("*.supercycle.msg")
        assert content(json.loads(path.read_bytes())) == ("supercycle.work", ["job_1"])

    def test_ping(self, tmp_path):
        CeleryQueue(Settings(data_dir=tmp_path)).ping()
        assert list((tmp_path / "broker" / "queue").iterdir()) == []


class TestRedis:
    @pytest.fixture
    def server(self, redis_url):
        with redis.Redis.from_url(redis_url) as server:
            server.delete("supercycle")
            yield server

    def test_a_hint_is_an_entry_of_the_list(self, server, redis_url, tmp_path):
        queue = CeleryQueue(Settings(data_dir=tmp_path, broker_url=redis_url))
        assert queue.hint("job_1") is True
        assert queue.hint("job_2") is True
        messages = [json.loads(entry) for entry in server.lrange("supercycle", 0, -1)]
        assert sorted(content(message)[1] for message in messages) == [["job_1"], ["job_2"]]
        assert not (tmp_path / "broker").exists()
        queue._celery.close()

    def test_ping(self, redis_url):
        queue = CeleryQueue(Settings(broker_url=redis_url))
        queue.ping()
        queue._celery.close()


class TestAway:
    @pytest.fixture
    def refusing(self, free_port):
        return f"redis://127.0.0.1:{free_port}/0"

    @pytest.fixture
    def silent(self):
        """A server that takes connections and says nothing, as one that hangs does."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            taken, over = [], threading.Event()

            def take():
                server.settimeout(0.1)
                while not over.is_set():
                    try:
                        taken.append(server.accept()[0])
                    except TimeoutError:
                        continue

            thread = threading.Thread(target=take)
            thread.start()
            yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
            over.set()
            thread.join()
            for connection in taken:
                connection.close()

    @pytest.mark.parametrize("kind", ["refusing", "silent"])
    def test_a_hint_gives_up_within_two_seconds(self, request, kind):
        queue = CeleryQueue(Settings(broker_url=request.getfixturevalue(kind)))
        began = time.monotonic()
        assert queue.hint("job_1") is False
        assert time.monotonic() - began < 2

    @pytest.mark.parametrize("kind", ["refusing", "silent"])
    def test_ping_raises(self, request, kind):
        queue = CeleryQueue(Settings(broker_url=request.getfixturevalue(kind)))
        began = time.monotonic()
        with pytest.raises(Exception, match=r"onnect|imeout|imed out"):
            queue.ping()
        assert time.monotonic() - began < 4
