"""The processes of a training on two devices, as their supervisor sees them: one speaks, and they end together."""

import os
import signal
import time

import pytest

from worker import group
from worker.engine.events import PhaseStarted, StepsDone, Stop
from worker.group import start_training
from worker.messages import Failed, FileMade, Finished, Happened, StoppedEarly
from worker.supervision import TrainingProcess, describe_exit

SPEC = {
    "kind": "training", "dataset": "digits", "architecture": {"name": "mlp", "width": 16}, "batch_size": 128,
    "epochs": 10_000, "devices": 2, "precision": "fp32", "compile": "off",
    "schedule": {"policy": "one_cycle", "max_lr": 0.05},
}  # fmt: skip


@pytest.fixture
def start(processes, assignment_of, tmp_path):
    """Start a training; whatever is left of it is killed at the end."""
    started = []

    def run(devices=("cpu", "cpu"), **changes):
        assignment = assignment_of(tmp_path, SPEC | changes, checkpoint_seconds=0.2)
        started.append(start_training(processes, assignment, devices=devices))
        return started[-1]

    yield run
    for training in started:
        training.kill()
        training.join()


def hear(training, *, until=lambda message: False, seconds=60):
    """Its messages up to one that is looked for, or to its end."""
    heard, deadline = [], time.monotonic() + seconds
    while training.is_open:
        assert time.monotonic() < deadline, heard[-3:]
        for message in training.messages(timeout_seconds=0.1):
            heard.append(message)
            if until(message):
                return heard
    return heard


def trains(message):
    return isinstance(message, Happened) and isinstance(message.event, StepsDone)


def pids(training):
    return [member.process._process.pid for member in training._members]


def is_alive(training):
    return [member.process._process.is_alive() for member in training._members]


class TestEndings:
    def test_one_device_takes_one_process(self, start):
        assert isinstance(start(("cpu",)), TrainingProcess)

    def test_by_itself(self, start):
        training = start(epochs=2)
        heard = hear(training)
        assert training.join() == 0
        assert isinstance(heard[-1], Finished)
        assert heard[-1].result["epochs_run"] == 2
        phases = [m.event.phase for m in heard if isinstance(m, Happened) and isinstance(m.event, PhaseStarted)]
        assert phases == ["preparing", "training", "evaluating", "exporting"]  # each told once
        files = [message.name for message in heard if isinstance(message, FileMade)]
        assert len(files) == len(set(files))

    @pytest.mark.parametrize("stop", [Stop.CANCEL, Stop.YIELD])
    def test_asked_to_stop(self, start, stop):
        training = start()
        hear(training, until=trains)
        training.ask(stop)
        training.escalate()  # patience lasts
        assert hear(training)[-1] == StoppedEarly(stop)
        assert training.join() == 0
        assert is_alive(training) == [False, False]

    @pytest.mark.parametrize("lost", [0, 1])
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, "worker_lost"), (signal.SIGSEGV, "native_crash")])
    def test_with_the_first_that_is_lost(self, start, lost, number, code):
        training = start()
        hear(training, until=trains)
        os.kill(pids(training)[lost], number)
        heard = hear(training)
        exit_code = training.join()
        assert not any(isinstance(message, Failed | Finished | StoppedEarly) for message in heard)
        assert exit_code == -number  # not what became of the other one
        assert describe_exit(exit_code)["code"] == code
        assert is_alive(training) == [False, False]

    def test_with_their_supervisor(self, start):
        training = start()
        hear(training, until=trains)
        for member in training._members:
            member.process._pipe.close()  # as when the supervisor dies
        for member in training._members:
            member.process._process.join(timeout=20)
        assert {member.process._process.exitcode for member in training._members} <= {75, 76}
        assert is_alive(training) == [False, False]


class TestFailures:
    def test_of_all_are_told_once_and_by_the_first(self, start):
        heard = hear(training := start(schedule={"policy": "one_cycle", "max_lr": 1e6}))
        assert [message.code for message in heard if isinstance(message, Failed)] == ["lr_diverged"]
        assert {"loss.png"} <= {message.name for message in heard if isinstance(message, FileMade)}  # it had the time
        assert training.join() == 0

    def test_of_another_are_told_when_the_first_has_no_word(self, start, monkeypatch):
        monkeypatch.setattr(group, "PATIENCE", group.PATIENCE / 20)
        heard = hear(training := start(("cpu", "cuda:99")))  # the first waits for the second in vain
        assert isinstance(heard[-1], Failed)
        assert heard[-1].code in ("device_unavailable", "internal_error")  # without a GPU, and with one
        assert is_alive(training) == [False, False]


class TestEscalation:
    def test_deaf_ones_are_killed_in_the_end(self, start):
        training = start()
        hear(training, until=trains)
        for pid in pids(training):
            os.kill(pid, signal.SIGSTOP)
        training.ask(Stop.CANCEL)
        deadline = time.monotonic() + 20
        while any(is_alive(training)):
            training.escalate(patience=0.02)  # of 10 s and 20 s
            time.sleep(0.01)
            assert time.monotonic() < deadline
        hear(training)
        assert training.join() == -signal.SIGKILL
