"""What README.md and docs/howto print is run as printed, page by page, beside a service on the usual port.

Which block is run where, see tests/pages.py. Those that no test can run are reported with their reason.
"""

import re
import shlex
from pathlib import Path
from typing import Protocol

import pytest

from supercycle import Client
from tests.pages import PAGES, SESSIONS, SHELL, Block, blocks_of
from tests.verify.conftest import require_free

pytestmark = pytest.mark.verify


class Check(Protocol):
    """Looks at what a session left: its folder, what it printed, and the service beside it."""

    def __call__(self, folder: Path, printed: str, client: Client) -> None: ...


def check_readme(folder: Path, printed: str, client: Client) -> None:
    assert (folder / "range_test.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "metrics.csv").read_text().startswith("step,learning_rate,momentum,training_loss\n")
    assert (folder / "weights.safetensors").stat().st_size > 1_000_000
    assert (folder / "out" / "weights.safetensors").exists()
    assert "did you mean 'digits'" in printed


def check_webhooks(folder: Path, printed: str, client: Client) -> None:
    received = (folder / "received.txt").read_text().splitlines()
    assert sorted(line.split()[0] for line in received) == ["job.started", "job.succeeded"]
    assert re.search(r"job\.succeeded\tdelivered\t1\t204\t-", printed)
    assert "is sent again" in printed
    assert client.webhooks() == []


def check_pausing(folder: Path, printed: str, client: Client) -> None:
    assert re.search(r"^job_\w+\ttraining\t-\tpaused\t", printed, re.MULTILINE)  # jobs --state paused
    assert printed.endswith("succeeded succeeded\n")
    states = sorted(job.state for job in client.jobs())
    assert states == ["cancelled", "cancelled", "succeeded", "succeeded", "succeeded", "succeeded"]


CHECKS: dict[str, Check] = {
    "README.md": check_readme,
    "docs/howto/pause-and-resume.md": check_pausing,
    "docs/howto/webhooks.md": check_webhooks,
}


@pytest.mark.parametrize("page", SESSIONS)
@pytest.mark.timeout(1800)
def test_session(page, usual_host, typed, tmp_path):
    for port in re.findall(r"127\.0\.0\.1[:\", ]+(\d+)", PAGES[page].read_text("utf-8")):
        require_free(int(port))
    session = [block for block in blocks_of(page, "sh") if not block.comment]
    service = [block.service for block in session if block.service is not None]
    client = usual_host.start(**(service[0] if service else {}))
    printed = typed("".join(block.text for block in session if block.service is None))
    for block in blocks_of(page, "python"):
        printed += typed(f".venv/bin/python -c {shlex.quote(block.text)}")
    CHECKS[page](tmp_path, printed, client)


@pytest.mark.parametrize("block", [block for block in SHELL if block.reason], ids=lambda block: block.place)
def test_what_is_not_run(block: Block):
    pytest.skip(f"{block.place}: {block.reason}")
