"""The pages in docs/: what they show a reader to submit is accepted, and their pictures are quick to load."""

import json
import re
from pathlib import Path

import pytest

from app.domain.specs import parse_spec

DOCS = Path(__file__).parents[1] / "docs"
SPECS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.rglob("*.md"))
    for number, block in enumerate(re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
]


@pytest.mark.parametrize("block", SPECS)
def test_specs_are_accepted(block):
    assert parse_spec(json.loads(block)).kind in ("range_test", "training")


@pytest.mark.parametrize("picture", sorted((DOCS / "images").iterdir()), ids=lambda path: path.name)
def test_pictures_are_small_and_shown(picture):
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 80_000
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    assert any(f"images/{picture.name})" in page.read_text("utf-8") for page in pages)
