"""How commands print: tables for people, columns for pipes, JSON for programs, errors without tracebacks."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

EMPTY: tuple[object, ...] = (None, "", [], {})
IDS = ("id", "job")
WIDEST_MIDDLE = 24
# Fields that say which one an object is; they stand before its other fields, without their name.
MARKERS = ("name", "policy")


def console(*, stderr: bool = False) -> Console:
    """Where to print. Made when needed, because tests and pipes change what stdout is."""
    return Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """One line for the user."""
    console().print(printable(text))


def complain(text: str) -> None:
    """Lines on what went wrong, on stderr."""
    console(stderr=True).print(Text(printable(text), style="red"))


def print_json(document: object) -> None:
    """One JSON document and nothing else."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; tab-separated lines with a header elsewhere, so that `cut` and `awk` can read them."""
    cells = [[cell_text(value) for value in row] for row in rows]
    if not console().is_terminal:
        sys.stdout.write("".join("\t".join(row) + "\n" for row in [list(columns), *cells]))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, *column in zip(columns, *cells, strict=True):
        # An id must be whole to be of use; what else is too wide goes on below itself. A column that may wrap is made
        # narrow even below its least width, and then the others are cut off.
        is_id = name in IDS
        widest = max(map(len, column), default=0)
        table.add_column(name, min_width=widest if is_id else None, no_wrap=is_id, overflow="fold")
    for row in cells:
        table.add_row(*[Text(cell) for cell in row])
    console().print(table, soft_wrap=False)


def print_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Names and values, one per line; what is absent is left out."""
    print_aligned([(name, field_text(name, value)) for name, value in facts if value not in EMPTY])


def print_aligned(rows: Sequence[Sequence[str]]) -> None:
    """Columns for people; on a terminal the last one wraps below itself, elsewhere a row is a line."""
    if console().is_terminal:
        console().print(_grid(rows), soft_wrap=False)
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _grid(rows: Sequence[Sequence[str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    columns = len(rows[0]) if rows else 0
    for index in range(columns):
        is_middle = 0 < index < columns - 1
        grid.add_column(no_wrap=index == 0, max_width=WIDEST_MIDDLE if is_middle else None, overflow="fold")
    for row in rows:
        grid.add_row(*[Text(cell) for cell in row])
    return grid


def field_text(name: str, value: Any) -> str:  # noqa: ANN401
    """A value as people read it, knowing what it is called: accuracies are in percent."""
    return percent(value) if name.endswith("accuracy") and isinstance(value, float) else cell_text(value)


def cell_text(value: Any) -> str:  # noqa: ANN401
    """A value as people read it; the empty fields of an object are left out."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(cell_text(item) for item in value)
    if isinstance(value, dict):
        return _object_text(value)
    return printable(str(value)).replace("\n", " ")


def _object_text(fields: dict[str, Any]) -> str:
    given = {name: value for name, value in fields.items() if value not in EMPTY}
    marker = next((name for name in MARKERS if name in given), None)
    first = [cell_text(given.pop(marker))] if marker else []
    return ", ".join([*first, *(f"{printable(name)}={field_text(name, value)}" for name, value in given.items())])


def percent(share: float | None) -> str:
    """0.9731 as 97.3 %."""
    return "-" if share is None else f"{100 * share:.1f} %"


def file_size(size_bytes: int | None) -> str:
    """1234567 as 1.23 MB."""
    if size_bytes is None:
        return "-"
    return f"{size_bytes / 1e6:.3g} MB" if size_bytes >= 100_000 else f"{size_bytes} bytes"


def printable(text: str) -> str:
    """`text` without control characters: names come from other people, and a terminal obeys escape sequences."""
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)
