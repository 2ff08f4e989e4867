"""What README.md and docs/howto print is run as printed, page by page, beside a service on the usual port.

Which block is run where, see tests/pages.py. Those that no test can run are reported with their reason.
"""

import re
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


def check_finding(folder: Path, printed: str, client: Client) -> None:
    assert "Short complete cycles ended with these losses" in printed
    assert "Alone, the 3 sweeps pick" in printed
    assert "is the landmark minimum_over_ten, as the spec asks" in printed
    assert (folder / "sweep" / "range_test.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "sweep" / "verification.png").read_bytes().startswith(b"\x89PNG")
    assert "\nstep,sweep,learning_rate,loss,smoothed_loss\n0,0,1e-06," in printed
    assert {job.state for job in client.jobs()} == {"succeeded"}


def check_training(folder: Path, printed: str, client: Client) -> None:
    assert printed.startswith("epoch\tvalidation_accuracy\n1\t")
    assert "\nsettled by the service\n" in printed
    assert "\nsteps  1100\n" in printed
    assert re.search(r"^10 \d\d\.\d% \d+ s\n1100\n\{'epoch': ", printed, re.MULTILINE)
    assert [job.state for job in client.jobs()] == ["succeeded"] * 6


def check_following(folder: Path, printed: str, client: Client) -> None:
    assert '"state":"succeeded","previous":"running"}}' in (folder / "stream.txt").read_text()
    assert re.search(r"^ +10 event: epoch$", printed, re.MULTILINE)
    assert "\n304\n" in printed
    assert (folder / "metrics.csv").read_text().startswith("step,learning_rate,momentum,training_loss\n")
    assert (folder / "files" / "weights.safetensors").exists()
    assert re.search(r"^10 \d\d\.\d%\nsucceeded \{'epoch': ", printed, re.MULTILINE)


def check_own_images(folder: Path, printed: str, client: Client) -> None:
    assert "state       ready" in printed
    assert "test images taken out of each class: share 0.2, seed 0" in printed
    assert (folder / "my-digits.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "trained" / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert len(re.findall(r"^digit \d: \d+\.\d% of \d+ recognised$", printed, re.MULTILINE)) == 3
    assert [job.state for job in client.jobs()] == ["succeeded"]
    assert "my-digits" not in [dataset["name"] for dataset in client.datasets()]


def check_comparing(folder: Path, printed: str, client: Client) -> None:
    assert "\nchildren  18\n" in printed
    assert "one cycle minus best control" in printed
    page = (folder / "compared" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert (folder / "compared" / "report.csv").read_text().count("\n") == 19  # and a header
    first, second = list(client.jobs(kind="comparison"))[::-1]
    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert len(list(first.children())) == 18
    assert second.refresh().data["result"]["arms"].keys() == {
        "baseline", "one_cycle", "one_cycle@0.5", "one_cycle@0.125", "linear", "cosine", "big",
    }  # fmt: skip


def check_tuning(folder: Path, printed: str, client: Client) -> None:
    assert "batch_norm_momentum" in printed
    assert (folder / "tuned" / "report.html").exists()
    assert (folder / "tuned" / "tuning_momentum.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "made" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    kinds = sorted((job.data["kind"], job.state) for job in client.jobs())
    assert kinds == [(kind, "succeeded") for kind in ("auto", "training", "training", "tuning", "tuning")]


def check_automating(folder: Path, printed: str, client: Client) -> None:
    first, second = re.findall(r"^(job_\w+) training$", printed, re.MULTILINE)
    assert first == second
    assert (folder / "nightly" / "weights.safetensors").exists()
    assert '"code": "unknown_dataset"' in printed
    assert re.search(r"^succeeded$", printed, re.MULTILINE)
    assert (folder / "python" / "weights.safetensors").exists()
    assert re.search(r"^key_\w+ of nightly is revoked$", printed, re.MULTILINE)


CHECKS: dict[str, Check] = {
    "README.md": check_readme,
    "docs/howto/automate.md": check_automating,
    "docs/howto/compare.md": check_comparing,
    "docs/howto/own-images.md": check_own_images,
    "docs/howto/find-a-learning-rate.md": check_finding,
    "docs/howto/follow-a-job.md": check_following,
    "docs/howto/pause-and-resume.md": check_pausing,
    "docs/howto/train-fast.md": check_training,
    "docs/howto/tune.md": check_tuning,
    "docs/howto/webhooks.md": check_webhooks,
}


def typed_as(block: Block) -> str:
    """What of a block a shell gets; Python takes what the shell has exported."""
    if block.language == "python":
        return f".venv/bin/python - <<'END_OF_PYTHON'\n{block.text}END_OF_PYTHON\n"
    return block.text if block.language == "sh" else ""


@pytest.mark.parametrize("page", SESSIONS)
@pytest.mark.timeout(1800)
def test_session(page, usual_host, typed, tmp_path):
    for port in re.findall(r"127\.0\.0\.1[:\", ]+(\d+)", PAGES[page].read_text("utf-8")):
        require_free(int(port))
    session = [block for block in blocks_of(page) if not block.comment]
    service = [block.service for block in session if block.service is not None]
    client = usual_host.start(**(service[0] if service else {}))
    printed = typed("".join(typed_as(block) for block in session if block.service is None))
    CHECKS[page](tmp_path, printed, client)


@pytest.mark.parametrize("block", [block for block in SHELL if block.reason], ids=lambda block: block.place)
def test_what_is_not_run(block: Block):
    pytest.skip(f"{block.place}: {block.reason}")
