"""The training process as its supervisor sees it: it speaks, it is asked to stop, it ends one way or another."""

import os
import signal
import time
from multiprocessing import connection
from pathlib import Path

import pytest

from app.domain.catalog import datasets
from app.domain.specs import parse_spec
from worker.datasets.source import DatasetSource
from worker.engine.events import PhaseStarted, Stop
from worker.messages import Assignment, Finished, Happened, Places, StoppedEarly
from worker.supervision import TrainingProcess, describe_exit, kills_for_memory


@pytest.fixture
def assign(tmp_path):
    """A small training on digits that takes a second, or with more epochs as long as wanted."""

    def make(**changes):
        schedule = {"policy": "one_cycle", "max_lr": 0.1}
        spec = {"kind": "training", "dataset": "digits", "architecture": "mlp", "schedule": schedule, "epochs": 1}
        quick = {"precision": "fp32", "compile": "off"}  # else a long training first tries out what is faster
        names = ("attempt", "checkpoints", "cache", "weights")
        for name in names:
            (tmp_path / name).mkdir(exist_ok=True)
        return Assignment(
            job_id="job_1",
            title="mlp on digits",
            spec=parse_spec(spec | quick | changes).model_dump(mode="json"),
            dataset=DatasetSource("built_in", "digits", tmp_path),
            dataset_id="ds_1",
            default_validation=0.2,
            default_augmentation=datasets()["digits"].augmentation,
            default_image_size=8,
            device="cpu",
            places=Places(*(tmp_path / name for name in names)),
            checkpoint_seconds=60,
        )

    return make


@pytest.fixture
def start(processes, assign):
    """Start a training; whatever is left of it is killed at the end."""
    started = []

    def run(**changes):
        started.append(TrainingProcess(processes, assign(**changes)))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process._process.join()
        process._pipe.close()


def hear(process, *, until=lambda message: False, seconds=60):
    """Its messages up to one that is looked for, or to its end."""
    heard, deadline = [], time.monotonic() + seconds
    while process.is_open:
        assert time.monotonic() < deadline, heard[-3:]
        for message in process.messages(timeout_seconds=0.1):
            heard.append(message)
            if until(message):
                return heard
    return heard


def is_training(message):
    return (
        isinstance(message, Happened) and isinstance(message.event, PhaseStarted) and message.event.phase == "training"
    )


class TestEndings:
    def test_by_itself(self, start):
        process = start()
        heard = hear(process)
        assert process.join() == 0
        assert isinstance(heard[-1], Finished)
        assert heard[-1].result["epochs_run"] == 1
        phases = [m.event.phase for m in heard if isinstance(m, Happened) and isinstance(m.event, PhaseStarted)]
        assert phases[0] == "preparing"
        assert phases[-1] == "exporting"

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, "worker_lost"), (signal.SIGSEGV, "native_crash")])
    def test_by_a_signal(self, start, number, code):
        process = start(epochs=10_000)
        hear(process, until=is_training)
        os.kill(process._process.pid, number)
        hear(process)  # the end of its pipe is seen at once
        exit_code = process.join()
        assert exit_code == -number
        assert describe_exit(exit_code)["code"] == code

    @pytest.mark.parametrize("stop", [Stop.CANCEL, Stop.YIELD])
    def test_asked_to_stop(self, start, stop):
        process = start(epochs=10_000)
        hear(process, until=is_training)
        process.ask(stop)
        asked = time.monotonic()
        process.ask(stop)  # once is enough
        process.escalate()  # and patience lasts
        assert hear(process)[-1] == StoppedEarly(stop)
        assert time.monotonic() - asked < 5
        assert process.join() == 0
        process.escalate(patience=0)  # of what has ended nothing more is asked

    def test_with_its_supervisor(self, start):
        process = start(epochs=10_000)
        hear(process, until=is_training)
        process._pipe.close()  # as when the supervisor dies
        assert connection.wait([process._process.sentinel], timeout=10)
        process._process.join()
        assert process._process.exitcode == 75


class TestEscalation:
    def test_a_deaf_one_is_killed_in_the_end(self, start):
        process = start(epochs=10_000)
        hear(process, until=is_training)
        os.kill(process._process.pid, signal.SIGSTOP)  # hears neither the pipe nor SIGTERM
        process.escalate(patience=0)  # nobody has asked it yet
        process.ask(Stop.CANCEL)
        asked = time.monotonic()
        while process._process.is_alive():
            process.escalate(patience=0.02)  # of 10 s and 20 s
            time.sleep(0.01)
            assert time.monotonic() - asked < 10
        assert time.monotonic() - asked >= 0.4
        hear(process)
        assert process.join() == -signal.SIGKILL

    def test_first_politely(self, start):
        process = start(epochs=10_000)
        hear(process, until=is_training)
        process._asked, process._asked_at = Stop.CANCEL, time.monotonic() - 15  # asked 15 s ago, and it did not hear
        process.escalate()
        hear(process)
        assert process.join() == -signal.SIGTERM


class TestDescription:
    @pytest.mark.parametrize(
        ("exit_code", "code", "says"),
        [
            (0, "internal_error", "exit code 0"),
            (1, "internal_error", "exit code 1"),
            (75, "internal_error", "exit code 75"),
            (-9, "worker_lost", "SIGKILL"),
            (-15, "worker_lost", "SIGTERM"),
            (-11, "native_crash", "SIGSEGV"),
            (-6, "native_crash", "SIGABRT"),
        ],
    )
    def test_exit_codes(self, exit_code, code, says):
        error = describe_exit(exit_code)
        assert error["code"] == code
        assert says in error["detail"]
        assert error["title"]
        assert error["hint"]

    @pytest.mark.parametrize(
        ("exit_code", "code"), [(-9, "host_out_of_memory"), (-15, "worker_lost"), (-11, "native_crash")]
    )
    def test_a_kill_while_the_machine_ran_out_of_memory(self, exit_code, code):
        """The kernel's own signal is SIGKILL; whatever else ended it, another process was short of memory."""
        error = describe_exit(exit_code, for_memory=True)
        assert error["code"] == code
        assert error["hint"]


class TestKillsForMemory:
    def test_as_the_kernel_counts_them(self, monkeypatch):
        monkeypatch.setattr(Path, "read_text", lambda *_: "pgfault 12\noom_kill 3\nnuma_hit 4\n")
        assert kills_for_memory() == 3

    @pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="only Linux counts them")
    def test_they_only_grow(self):
        before = kills_for_memory()
        assert kills_for_memory() >= before >= 0

    def test_where_nobody_counts_them(self, monkeypatch):
        def missing(*_):
            raise FileNotFoundError

        monkeypatch.setattr(Path, "read_text", missing)
        assert kills_for_memory() == 0
