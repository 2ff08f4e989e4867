"""The pages: what they show to submit is accepted, what they show to type is run, and their links lead somewhere."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from app.domain.specs import parse_spec
from tests.pages import PAGES, ROOT, SESSIONS, SHELL, blocks_of
from tests.verify.test_pages import CHECKS

DOCS = ROOT / "docs"
ALL = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
JSON = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.rglob("*.md"))
    for number, block in enumerate(re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
]


def place(block):
    return block.place


@pytest.mark.parametrize("block", JSON)
def test_json_is_json_and_specs_are_accepted(block):
    shown = json.loads(block)
    if "kind" in shown and "id" not in shown:  # a job to submit, not one as it is shown
        assert parse_spec(shown).kind == shown["kind"]


@pytest.mark.parametrize("picture", sorted((DOCS / "images").iterdir()), ids=lambda path: path.name)
def test_pictures_are_small_and_shown(picture):
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 80_000
    assert any(f"images/{picture.name})" in page.read_text("utf-8") for page in ALL)


class TestBlocks:
    @pytest.mark.parametrize("page", PAGES)
    def test_each_says_its_language(self, page):
        text = PAGES[page].read_text("utf-8")
        blocks = blocks_of(page)
        assert text.count("```") == 2 * len(blocks)  # none is overlooked
        assert {block.language for block in blocks} <= {"sh", "python", "json", "text"}

    @pytest.mark.parametrize("block", SHELL, ids=place)
    def test_each_is_run_or_says_why_not(self, block):
        if not block.comment or block.reason:
            return
        file, step = block.test
        tree = ast.parse((ROOT / "tests" / "verify" / file).read_text("utf-8"))
        assert step in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}

    def test_each_session_is_looked_at_when_it_was_run(self):
        assert set(CHECKS) == set(SESSIONS)

    @pytest.mark.parametrize("block", SHELL, ids=place)
    def test_each_is_shell(self, block):
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)

    @pytest.mark.parametrize("page", PAGES)
    def test_python_is_python(self, page):
        for block in blocks_of(page, "python"):
            compile(block.text, block.place, "exec")


class TestLinks:
    @pytest.mark.parametrize("page", ALL, ids=lambda path: str(path.relative_to(ROOT)))
    def test_they_lead_to_files_and_headings(self, page):
        links = re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)", without_code(page))
        assert [link for link, heading in links if not leads_somewhere(page, link, heading)] == []

    def test_every_page_can_be_reached_from_the_readme(self):
        reached, waiting = set(), [ROOT / "README.md"]
        while waiting:
            page = waiting.pop()
            if page not in reached and page.suffix == ".md":
                reached.add(page)
                links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text("utf-8"))
                waiting += [(page.parent / link).resolve() for link in links]
        assert [str(page.relative_to(ROOT)) for page in ALL if page not in reached] == []


def without_code(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def leads_somewhere(page: Path, link: str, heading: str) -> bool:
    target = page.parent / link if link else page
    return target.exists() and (not heading or heading in headings(target))


def headings(page: Path) -> set[str]:
    """As GitHub names them: small letters and hyphens, without punctuation."""
    titles = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
