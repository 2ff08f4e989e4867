"""The embedded broker: messages appear whole, in order, and wait for a reader."""

import threading
import time
from queue import Empty

import pytest
from kombu import Connection

from app import broker
from app.config import EMBEDDED_BROKER, Settings


@pytest.fixture
def connect(tmp_path):
    """A connection of one's own, as another process has."""
    options = broker.transport_options(Settings(data_dir=tmp_path))
    return lambda: Connection(EMBEDDED_BROKER, transport_options=options)


class TestWhole:
    def test_a_greedy_reader_sees_no_torn_message(self, connect):
        count, body = 200, "x" * 200_000
        received, failures = [], []

        def read():
            with connect() as connection, connection.SimpleQueue("hints") as queue:
                until = time.monotonic() + 60
                while len(received) < count and time.monotonic() < until:
                    try:
                        message = queue.get_nowait()
                    except Empty:
                        continue
                    except Exception as error:  # noqa: BLE001 - what a torn message raises
                        failures.append(error)
                        return
                    received.append(message.payload)
                    message.ack()

        reader = threading.Thread(target=read)
        reader.start()
        with connect() as connection, connection.SimpleQueue("hints") as queue:
            for number in range(count):
                queue.put({"number": number, "body": body})
        reader.join()
        assert failures == []
        assert [message["number"] for message in received] == list(range(count))
        assert {message["body"] for message in received} == {body}

    def test_messages_outlive_their_sender(self, connect):
        with connect() as connection, connection.SimpleQueue("hints") as queue:
            queue.put({"job": 1})
        with connect() as connection, connection.SimpleQueue("hints") as queue:
            assert queue.get(timeout=5).payload == {"job": 1}

    def test_nothing_half_written_is_left(self, connect, tmp_path):
        with connect() as connection, connection.SimpleQueue("hints") as queue:
            queue.put({"job": 1})
        names = [path.name for path in (tmp_path / "broker" / "queue").iterdir()]
        assert len(names) == 1
        assert names[0].endswith(".hints.msg")


class TestOptions:
    def test_embedded(self, tmp_path):
        options = broker.transport_options(Settings(data_dir=tmp_path))
        assert options["data_folder_in"] == options["data_folder_out"] == str(tmp_path / "broker" / "queue")
        assert options["processed_folder"] == str(tmp_path / "broker" / "taken")
        assert options["store_processed"] is True
        assert options["polling_interval"] == 0.1

    def test_redis_gives_up_soon(self, tmp_path):
        options = broker.transport_options(Settings(data_dir=tmp_path, broker_url="redis://127.0.0.1/0"))
        assert options["socket_connect_timeout"] <= 1
        assert not (tmp_path / "broker").exists()


class TestTakenMessages:
    def test_are_forgotten_after_a_while(self, connect, tmp_path, monkeypatch):
        with connect() as connection, connection.SimpleQueue("hints") as queue:
            for job in (1, 2):
                queue.put({"job": job})
            queue.get(timeout=5).ack()
            monkeypatch.setattr(broker, "KEPT_SECONDS", 0.0)
            monkeypatch.setattr(queue.channel, "_forgetting_from", 0.0)
            queue.get(timeout=5).ack()
        assert list((tmp_path / "broker" / "taken").iterdir()) == []

    def test_but_not_after_each_message(self, connect, tmp_path, monkeypatch):
        monkeypatch.setattr(broker, "KEPT_SECONDS", 0.0)
        with connect() as connection, connection.SimpleQueue("hints") as queue:
            for job in (1, 2, 3):
                queue.put({"job": job})
            for _ in range(3):
                queue.get(timeout=5).ack()
        assert len(list((tmp_path / "broker" / "taken").iterdir())) == 2
