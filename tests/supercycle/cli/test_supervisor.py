import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from supercycle.cli.supervisor import Part, Supervisor

# Writes its process id, then waits for the end of standard input.
FOLLOWER = """
import os, pathlib, sys
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
sys.stdin.read()
"""
# Does not care about SIGTERM, nor does its child, which it tells about.
STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", deaf])
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""
# Leaves a child behind when it dies.
CARELESS = """
import os, pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with pathlib.Path(sys.argv[1]).open("a") as file:
    file.write(f"{child.pid}\\n")
print("about to die")
sys.exit(3)
"""


def is_alive(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def until(claim, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def ids_in(file):
    return [int(word) for word in file.read_text().split()] if file.exists() else []


@pytest.fixture
def part(tmp_path):
    def make(script, name="part"):
        argv = (sys.executable, "-c", script, str(tmp_path / f"{name}.ids"))
        return Part(name, argv, dict(os.environ), tmp_path / "logs" / f"{name}.log")

    return make


@pytest.fixture
def supervised():
    """Runs a supervisor until `claim` holds, then sends it `number`, and again where `twice` is asked."""

    def run(parts, *, claim, number=signal.SIGTERM, grace=5.0, twice=False):
        said = []
        deadline = time.monotonic() + 20
        sent = []

        def each_tick():
            assert time.monotonic() < deadline, f"it did not happen in time; said: {said}"
            if claim() and not sent:
                sent.append(True)
                os.kill(os.getpid(), number)
                if twice:
                    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()

        Supervisor(parts, say=said.append, grace=timedelta(seconds=grace)).run(each_tick=each_tick)
        return said

    return run


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_stops_all(self, part, supervised, tmp_path, number):
        parts = [part(FOLLOWER, "one"), part(FOLLOWER, "two")]
        files = [tmp_path / "one.ids", tmp_path / "two.ids"]
        said = supervised(parts, claim=lambda: all(ids_in(file) for file in files), number=number)
        assert said == []
        assert not any(is_alive(one) for file in files for one in ids_in(file))

    def test_a_part_that_ignores_sigterm_is_killed_with_its_children(self, part, supervised, tmp_path):
        file = tmp_path / "part.ids"
        said = supervised([part(STUBBORN)], claim=lambda: len(ids_in(file)) == 2, grace=0.5)
        assert said == ["part did not stop in time and was killed"]
        until(lambda: not any(is_alive(one) for one in ids_in(file)))

    def test_a_second_signal_ends_the_patience(self, part, supervised, tmp_path):
        file = tmp_path / "part.ids"
        began = time.monotonic()
        supervised([part(STUBBORN)], claim=lambda: len(ids_in(file)) == 2, grace=15, twice=True)
        assert time.monotonic() - began < 10
        until(lambda: not any(is_alive(one) for one in ids_in(file)))

    def test_the_handlers_of_before_come_back(self, part, supervised, tmp_path):
        before = signal.getsignal(signal.SIGTERM)
        supervised([part(FOLLOWER)], claim=lambda: bool(ids_in(tmp_path / "part.ids")))
        assert signal.getsignal(signal.SIGTERM) is before


class TestRestarting:
    def test_a_part_that_dies_is_started_again_with_growing_pauses(self, part, supervised, tmp_path):
        file = tmp_path / "part.ids"
        said = supervised([part(CARELESS)], claim=lambda: len(ids_in(file)) == 3)
        log = tmp_path / "logs" / "part.log"
        assert said[:2] == [
            "part ended with exit code 3, starting it again in 0.5 s",
            f"part ended with exit code 3, starting it again in 1 s; see {log}",
        ]
        assert log.read_text().count("about to die") == 3  # appended to, not replaced

    def test_what_a_dead_part_left_running_is_killed(self, part, supervised, tmp_path):
        file = tmp_path / "part.ids"
        supervised([part(CARELESS)], claim=lambda: len(ids_in(file)) == 2)
        until(lambda: not any(is_alive(one) for one in ids_in(file)))

    def test_a_killed_part_comes_back(self, part, supervised, tmp_path):
        file = tmp_path / "part.ids"
        seen = []

        def claim():
            for one in ids_in(file):
                if one not in seen:
                    seen.append(one)
                    if len(seen) == 1:
                        os.kill(one, signal.SIGKILL)
            return len(seen) == 2

        said = supervised([part(FOLLOWER)], claim=claim)
        assert said == ["part was ended by SIGKILL, starting it again in 0.5 s"]
        assert not any(is_alive(one) for one in seen)


class TestAKilledSupervisor:
    def test_takes_its_parts_with_it(self, tmp_path):
        program = textwrap.dedent(f"""
            import os, pathlib, sys
            from supercycle.cli.supervisor import Part, Supervisor
            ids = [pathlib.Path({str(tmp_path)!r}) / name for name in ("one.ids", "two.ids")]
            argv = (sys.executable, "-c", {FOLLOWER!r})
            parts = [Part(path.stem, (*argv, str(path)), dict(os.environ), path.with_suffix(".log")) for path in ids]
            Supervisor(parts, say=print).run(each_tick=lambda: None)
        """)
        files = [tmp_path / "one.ids", tmp_path / "two.ids"]
        with subprocess.Popen([sys.executable, "-c", program]) as process:
            until(lambda: all(ids_in(file) for file in files))
            process.kill()
        until(lambda: not any(is_alive(one) for file in files for one in ids_in(file)))
