"""Fills the generated parts of pages that people wrote: from `<!-- generated: NAME -->` to `<!-- end -->`."""

import re
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "reference"


def filled(page: str, parts: dict[str, Iterable[str]]) -> str:
    """The page's text with each of these parts anew, given as lines; KeyError for one that the page has beyond."""
    return re.sub(
        r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)",
        lambda found: "{}\n{}\n\n{}".format(found[1], "\n".join(parts[found[2]]), found[3]),
        page,
        flags=re.DOTALL,
    )
