"""A report as pages: Markdown, and HTML that needs nothing beside itself."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

TEMPLATES = Environment(
    loader=PackageLoader("worker.reports", "."),
    autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG and what it shows."""

    path: Path
    caption: str

    @property
    def data(self) -> str:
        """Its content as a page carries it."""
        return base64.b64encode(self.path.read_bytes()).decode()


@dataclass(frozen=True, slots=True)
class Table:
    """Cells in words."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    note: str = ""  #: beneath it


@dataclass(frozen=True, slots=True)
class Page:
    """What a report says, from the top down."""

    title: str
    lead: str  #: the outcome in a sentence or two
    facts: Mapping[str, Any]
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    warnings: Sequence[str] = ()
    failures: Sequence[str] = ()
    notes: Sequence[str] = field(default_factory=list)  #: how to read it


def write_pages(page: Page, folder: Path) -> list[Path]:
    """`report.md` and `report.html`."""
    paths = []
    for name in ("report.md", "report.html"):
        path = folder / name
        path.write_text(TEMPLATES.get_template(f"{name}.jinja").render(page=page, cell=_cell), "utf-8")
        paths.append(path)
    return paths


def _cell(text: str) -> str:
    """Text within a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
