"""The blocks of README.md and docs/howto that a reader would type, and how each of them is tested.

A shell or Python block without a comment above it is part of its page's session: `tests/verify/test_pages.py` runs that
in order, as printed, beside the service that `make serve` starts. A comment above a block says otherwise:

    <!-- test_NAME.py: STEP -->    a test in tests/verify runs it, in an order of its own
    <!-- not run: REASON -->       it needs what a test does not have
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {str(path.relative_to(ROOT)): path for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/howto/*.md"))]}

_BLOCK = re.compile(
    r"^(?: *<!-- (?P<comment>(?:(?! -->).)+) -->\n)?(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_SERVICE = re.compile(r"((?:[A-Z_]+=\S+ )*)make serve\n")


@dataclass(frozen=True)
class Block:
    """One of a page's blocks, as printed."""

    page: str
    line: int
    comment: str
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.page}:{self.line}"

    @property
    def reason(self) -> str:
        """Why it is not run; empty where it is."""
        return self.comment.removeprefix("not run: ") if self.comment.startswith("not run: ") else ""

    @property
    def test(self) -> tuple[str, str]:
        """The file of the test that runs it, and its name there."""
        file, _, step = self.comment.partition(": ")
        return file, step

    @property
    def service(self) -> dict[str, str] | None:
        """The variables under which it starts the service; None where it does something else."""
        found = _SERVICE.fullmatch(self.text)
        return dict(one.split("=", 1) for one in found[1].split()) if found else None


def blocks_of(page: str, language: str = "") -> list[Block]:
    """All of a page, or those in a language."""
    text = PAGES[page].read_text("utf-8")
    return [_block(page, text, one) for one in _BLOCK.finditer(text) if language in ("", one["language"])]


def _block(page: str, text: str, found: re.Match[str]) -> Block:
    line = text.count("\n", 0, found.start("language")) + 1
    comment = " ".join((found["comment"] or "").split())
    return Block(page, line, comment, found["language"], textwrap.dedent(found["text"]))


SHELL = [block for page in PAGES for block in blocks_of(page, "sh")]
SESSIONS = list(dict.fromkeys(block.page for block in SHELL if not block.comment))


def step(file: str, name: str) -> str:
    """The shell block that a page hands over to a test under this name."""
    (found,) = [block for block in SHELL if block.test == (Path(file).name, name)]
    return found.text
