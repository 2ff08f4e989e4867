import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from supercycle.cli import demo
demo.START_SECONDS = 6
pristine = demo.pristine_environment
demo.pristine_environment = lambda: pristine() | {name: value}
sys.exit(demo.main())
"""


@pytest.fixture
def demonstrate(tmp_path):
    """Runs the demonstration with one setting of the service; all its files belong below `tmp_path`."""

    def run(name, value):
        program = PROGRAM.replace("{name: value}", repr({f"SUPERCYCLE_{name}": value}))
        env = dict(os.environ) | {"TMPDIR": str(tmp_path)}
        argv = [sys.executable, "-c", program]
        return subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60)

    return run


def processes_below(folder):
    """Processes with this folder in their command line or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # not ours, or gone
            continue
        if str(folder).encode() in about and int(process.name) != os.getpid():
            found.append(process.name)
    return found


class TestFailure:
    def test_a_service_that_does_not_start_says_why(self, demonstrate, tmp_path):
        found = demonstrate("LEASE_SECONDS", "-1")
        assert found.returncode == 1
        assert "the service ended instead of starting:\nSUPERCYCLE_LEASE_SECONDS: " in found.stderr
        assert "Traceback" not in found.stderr
        assert list(tmp_path.glob("*demo*")) == []

    def test_a_service_that_is_never_ready_shows_its_logs_and_is_stopped(self, demonstrate, tmp_path):
        found = demonstrate("BROKER_URL", "redis://127.0.0.1:9/0")  # nobody listens there
        assert found.returncode == 1
        assert "the service was not ready after 6 s" in found.stderr
        for part in ("api", "keeper", "worker-0"):
            assert f"--- the end of {part}.log" in found.stderr
        assert list(tmp_path.glob("*demo*")) == []
        deadline = time.monotonic() + 10
        while processes_below(tmp_path):
            assert time.monotonic() < deadline, processes_below(tmp_path)
            time.sleep(0.1)
