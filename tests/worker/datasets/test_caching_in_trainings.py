"""A training that makes its cache with helpers leaves none of them, however it ends."""

import os
import signal
import time

import pytest

from app.domain.specs import parse_spec
from tests.helping import await_children, await_gone, slow_png
from worker.engine.events import Progress, Stop
from worker.messages import Happened, StoppedEarly
from worker.supervision import TrainingProcess

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core needs no helpers")
SPEC = {
    "kind": "training",
    "dataset": "slow",
    "architecture": "mlp",
    "schedule": {"policy": "one_cycle", "max_lr": 0.1},
    "epochs": 1,
}


@pytest.fixture
def training(processes, assignment_of, tmp_path, make_folder, as_source):
    """One on pictures that take a quarter of a minute and more to decode, with two helpers at work on them."""
    slow = {f"{kind}/{number}.png": slow_png() for kind in ("cat", "dog") for number in range(80)}
    source = as_source(make_folder(slow))
    spec = parse_spec(SPEC).model_dump(mode="json")
    process = TrainingProcess(processes, assignment_of(tmp_path, spec, dataset=source))
    yield process, await_children(process._process.pid)
    process.kill()
    process.join()


def hear(process, *, seconds=60):
    heard, deadline = [], time.monotonic() + seconds
    while process.is_open:
        assert time.monotonic() < deadline, heard[-3:]
        heard += process.messages(timeout_seconds=0.1)
    return heard


class TestEnd:
    def test_asked_to_stop(self, training, tmp_path):
        process, helpers = training
        process.ask(Stop.CANCEL)
        began = time.monotonic()
        heard = hear(process)
        assert time.monotonic() - began < 8  # a few pictures; all of them take longer
        assert heard[-1] == StoppedEarly(Stop.CANCEL)
        seen = [message.event for message in heard if isinstance(message, Happened)]
        assert {event.total for event in seen if isinstance(event, Progress)} == {160}
        await_gone(helpers)
        assert list((tmp_path / "cache").iterdir()) == []

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
    def test_killed(self, training, how):
        process, helpers = training
        process.kill(how)
        assert process.join() == -how
        await_gone(helpers)

    def test_killed_alone(self, training):
        """As the kernel does it for want of memory: not with its group."""
        process, helpers = training
        process._process.kill()
        assert process.join() == -signal.SIGKILL
        await_gone(helpers)

    def test_its_supervisor_is_gone(self, training):
        process, helpers = training
        process._pipe.close()
        process._process.join(30)
        assert process._process.exitcode == 75
        await_gone(helpers)
