"""What tells jobs apart that would not do the same: only of those with one fingerprint may a result be taken over."""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from app.datasets.facts import DatasetFacts
from app.domain.specs import AnySpec, DeviceSpec

PACKAGE = Path(__file__).parents[2]
#: Folders of the code that decides what comes of a job.
DECIDING = ("app/domain", "worker")


def fingerprint(spec: AnySpec, dataset: DatasetFacts) -> str | None:
    """Of spec, data and code; None of what no worker runs."""
    if not isinstance(spec, DeviceSpec):
        return None
    facts = [spec.model_dump(mode="json"), dataset.id, dataset.version, code_version()]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def code_version() -> str:
    """The release, and a digest of its sources: they may have been changed since."""
    return f"{version('supercycle')} {digest_of(PACKAGE)}"


def digest_of(package: Path) -> str:
    """Of names and contents, so that the same sources have the same one wherever they lie."""
    whole = hashlib.sha256()
    for path in _sources(package):
        whole.update(f"{path.relative_to(package)}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _sources(package: Path) -> Iterator[Path]:
    for folder in DECIDING:
        yield from sorted((package / folder).rglob("*.py"))
