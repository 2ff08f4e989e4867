"""A few hostile files of each kind on the way that they would take: over HTTP, to the keeper's own child."""

import hashlib
from pathlib import Path

import pytest

from tests.worker.datasets.hostile.corpus import every_entry

CHOSEN = (
    "zip: up twice",
    "zip: to the canary",
    "tar.zst: down and up",
    "tar: written through a symbolic link to a folder",
    "zip: encrypted",
    "zip: 200 entries in one place",
    "tar: text of 8 EiB",
    "tar.gz: 70 MiB of zeros in a text",
    "tar.xz: dictionary of 4 GiB",
    "picture: PNG: 144 megapixels in 17 KiB",
    "picture: PNG: profile of 40 MiB",
    "npz: objects that bite",
    "idx: 255 dimensions of 2^32",
)


def seen(folder):
    """Every file below, but those of the database."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("supercycle.db")]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """What some of them try to change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    return tmp_path


def test_they_are_refused_and_leave_nothing(client, check_all, settings, canary):
    settings.folder("uploads"), settings.folder("datasets/uploaded")
    before, entries = seen(canary), {entry.name: entry for entry in every_entry()}
    for number, name in enumerate(CHOSEN):
        sent = {"file": (name, entries[name].make(canary))}
        assert client.post("/v1/datasets", data={"name": f"set {number}"}, files=sent).status_code == 202
    check_all()
    for number, name in enumerate(CHOSEN):
        dataset = client.get(f"/v1/datasets/set {number}").json()
        assert dataset["state"] == "invalid", name
        assert {problem["code"] for problem in dataset["report"]["problems"]} <= set(entries[name].codes), name
    assert seen(canary) == before
    assert list(settings.folder("datasets/uploaded").iterdir()) == []
