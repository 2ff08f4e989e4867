"""A user's program is checked strictly against the types that the client promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import supercycle

SCRIPT = """
from pathlib import Path
from typing import Any

from supercycle import Client, ConnectionFailed, Event, Job, OneCycle, ProblemError, WaitTimeout


def show(name: str, received_bytes: int, total_bytes: int | None) -> None:
    print(name, received_bytes, total_bytes)


def run(epochs: int) -> list[Path]:
    with Client("http://127.0.0.1:8000", patience=10) as client:
        try:
            job = client.train(dataset="digits", architecture="resnet9", epochs=epochs, idempotency_key="mine")
        except ProblemError as error:
            print(error.status, error.code, error.title, error.detail, error.hint, error.request_id)
            print(error.retry_after_seconds, [(field.pointer, field.code) for field in error.errors])
            raise
        except ConnectionFailed as error:
            raise SystemExit(str(error)) from error
        for event in job.events():
            last: Event = event
            print(last.seq, last.data)
        try:
            done: Job = job.wait(timeout=60)
        except WaitTimeout:
            done = job.cancel()
        columns: dict[str, Any] = done.metrics(series=["training_loss"])
        print(columns["steps"], done.metrics_frame(by="epoch").shape, done.clone(epochs=3).id)
        print(reveal_type(client.train), reveal_type(OneCycle(max_lr=1.0, total_steps=10).at(0)))
        return done.download("out", progress=show)
"""
WRONG = """
from supercycle import Client

Client().train(idempotency_key=7)
Client().job("job_1").metrics_frame(by="steps")
job: int = Client().job("job_1").wait()
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What mypy says of a program that is right and of one that is not, a list of lines each."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "right.py").write_text(SCRIPT)
    (folder / "wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(folder / "cache")]
    command += ["--follow-imports", "silent", "right.py", "wrong.py"]
    environment = dict(os.environ, MYPYPATH=str(Path(supercycle.__file__).parents[1]))
    found = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=110)
    lines = found.stdout.splitlines()
    return [[line for line in lines if line.startswith(name)] for name in ("right.py", "wrong.py")]


class TestTypes:
    def test_the_package_says_that_it_has_some(self):
        assert Path(supercycle.__file__).with_name("py.typed").read_text() == ""

    def test_a_users_program_is_clean(self, said):
        revealed, _ = said
        assert all("Revealed type" in line for line in revealed), revealed
        assert len(revealed) == 2
        assert "Job" in revealed[0]
        assert "Any" not in revealed[1]

    def test_a_wrong_one_is_not(self, said):
        _, errors = said
        assert len(errors) == 3
        assert all(": error:" in line for line in errors)
