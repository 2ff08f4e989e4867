"""A process that follows its standard input ends with whoever holds the other end."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = "import time; from app.parent import follow_stdin; follow_stdin(); print('up', flush=True); time.sleep(60)"


class TestFollowStdin:
    def test_end_of_input_is_a_sigterm(self):
        command = [sys.executable, "-c", PROGRAM]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
            assert process.stdout.readline() == b"up\n"
            process.stdin.write(b"words on the way change nothing")
            process.stdin.flush()
            assert process.poll() is None
            process.stdin.close()
            assert process.wait(timeout=10) == -signal.SIGTERM
