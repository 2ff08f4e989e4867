"""Helpers answer in order, have nothing of their asker, and are gone when it is; what ends one ends it likewise."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.helping import await_children, await_gone, children_of, python, slow_png
from worker.datasets import crew
from worker.datasets.crew import HelperLost, Helpers, Pace

MODULE = "worker.keeper.looking"


@pytest.fixture(autouse=True)
def three(monkeypatch):
    """As many as a machine of three cores would have."""
    monkeypatch.setattr(crew.os, "cpu_count", lambda: 3)


@pytest.fixture
def slow(tmp_path):
    """A folder with a picture that takes long."""
    (tmp_path / "slow.png").write_bytes(slow_png())
    return tmp_path


@pytest.fixture
def busy(slow):
    """A process that has two helpers look at it again and again."""
    look = f"looking.look_at_all({str(slow)!r}, ['slow.png'] * 400)"
    process = subprocess.Popen(python(f"from worker.keeper import looking; crew.count = lambda: 2; list({look})"))
    yield process
    process.kill()
    process.wait()


class TestPace:
    @pytest.mark.parametrize(
        ("pace", "pay"),
        [
            (Pace(1000, 100, 0.3), True),  # 3 ms each, 900 to go: 2.7 s
            (Pace(1000, 1, 0.3), True),
            (Pace(700, 100, 0.3), False),  # 1.8 s to go
            (Pace(100, 100, 90.0), False),  # done
            (Pace(10**6, 100, 0.2), False),  # too soon to tell
            (Pace(10**6), False),
        ],
    )
    def test_helpers_pay_where_much_is_left(self, pace, pay, monkeypatch):
        assert pace.helpers_pay() is pay
        monkeypatch.setattr(crew.os, "cpu_count", lambda: 1)
        assert pace.helpers_pay() is False

    @pytest.mark.parametrize(
        ("pace", "pictures"),
        [
            (Pace(1000), 1),
            (Pace(1000, 100, 0.2), 50),  # 2 ms each, for 0.1 s
            (Pace(1000, 2, 1.0), 1),
            (Pace(1000, 100, 0.001), 256),
        ],
    )
    def test_pieces_take_about_as_long(self, pace, pictures):
        assert pace.at_once == pictures

    def test_what_is_noted_is_the_work_alone(self):
        pace = Pace(10)
        time.sleep(0.05)
        pace.take(2, since=time.perf_counter())
        assert pace.done == 2
        assert 0 < pace.seconds < 0.05

    @pytest.mark.parametrize(("cores", "count"), [(None, 1), (1, 1), (2, 2), (64, 8)])
    def test_one_for_each_core(self, monkeypatch, cores, count):
        monkeypatch.setattr(crew.os, "cpu_count", lambda: cores)
        assert crew.count() == count


class TestAnswers:
    def test_come_in_the_order_of_the_requests(self, slow, make_picture):
        for number in range(60):
            (slow / f"{number}.png").write_bytes(make_picture(size=(number + 1, 1)))
        asked = [["slow.png"], *([f"{number}.png"] for number in range(60))]
        with Helpers(MODULE) as three:
            widths = [rows[0][2] for rows in three.ask_all([str(slow), paths] for paths in asked)]
        assert widths == [5000, *range(1, 61)]

    def test_only_so_many_are_asked_for_beforehand(self, slow):
        asked = []
        with Helpers(MODULE) as three:
            answers = three.ask_all(asked.append(number) or [str(slow), []] for number in range(100))
            next(answers)
        assert len(asked) == 3 * crew.AHEAD

    def test_a_helper_that_fails_is_an_error(self, capfd):
        with Helpers(MODULE) as three, pytest.raises(HelperLost, match="exit code 1"):
            three.ask("no request").result(30)
        assert "ValueError" in capfd.readouterr().err


class TestIsolation:
    def test_nothing_is_inherited(self, monkeypatch, tmp_path, slow):
        monkeypatch.setenv("SUPERCYCLE_API_KEY", "secret")
        with (tmp_path / "open").open("wb") as file, Helpers(MODULE) as three:
            os.set_inheritable(file.fileno(), True)
            list(three.ask_all([str(slow), ["slow.png"]] for _ in range(6)))  # so that all of them have begun
            for pid in three.pids:
                known = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                assert sorted(filter(None, known)) == [b"LANG=C.UTF-8", b"OPENBLAS_NUM_THREADS=1"]
                assert {path.name for path in Path(f"/proc/{pid}/fd").iterdir()} == {"0", "1", "2"}

    def test_they_share_the_limits_of_a_check(self):
        code = (
            "import resource; crew.count = lambda: 2; "
            "limits = resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE; "
            "[resource.setrlimit(limit, (most, most)) for limit, most in zip(limits, (3 << 30, 3600, 0))]; "
            f"two = crew.Helpers({MODULE!r}); list(two.ask_all(['', []] for _ in range(8))); "
            "print(*(resource.prlimit(pid, limit) for pid in two.pids for limit in limits)); "
            "two.__exit__(None, None, None)"
        )
        said = subprocess.run(python(code), capture_output=True, text=True, check=True).stdout
        share = f"({3 << 29}, {3 << 29}) (1800, 1800) (0, 0)"
        assert said == f"{share} {share}\n"


class TestEnd:
    def test_with_the_block_whatever_they_do(self, slow):
        with Helpers(MODULE) as three:
            answers = [three.ask([str(slow), ["slow.png"] * 100]) for _ in range(30)]
            pids = set(three.pids)
            while not pids <= await_children(os.getpid(), at_least=3):  # others' children may be among those
                time.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 5  # not after the pictures that were asked for
        assert not any(answer.done() and not answer.cancelled() and not answer.exception() for answer in answers)
        assert len(pids) == 3
        assert pids & children_of(os.getpid()) == set()
        await_gone(pids, seconds=0)

    def test_with_their_asker(self, busy):
        pids = await_children(busy.pid)
        busy.kill()
        busy.wait()
        await_gone(pids)

    @pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU])
    def test_of_one_is_that_of_its_asker(self, busy, how):
        pids = await_children(busy.pid)
        os.kill(min(pids), how)
        assert busy.wait(30) == -how
        await_gone(pids)
