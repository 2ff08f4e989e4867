"""Renders docs/reference/errors.md from recorded answers, the engine's errors and the words beside them.

`python -m worker.error_reference` writes it. It stands here and not in `app` because many errors are the worker's.
"""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from app.openapi.examples import recorded
from worker.datasets import errors as dataset_errors
from worker.engine import errors
from worker.error_words import ANSWERS, JOBS, PAGE, REPORTS, WARNINGS

PATH = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"

EXAMPLE = "out_of_range"


def render() -> str:
    """The page's text."""
    tables = {"answers": _answers(), "jobs": _jobs(), "reports": _table(REPORTS), "warnings": _table(WARNINGS)}
    example = json.dumps(recorded()["problems"][EXAMPLE]["value"], indent=1, ensure_ascii=False)
    return PAGE.format(example=example, **{name: "\n".join(lines) for name, lines in tables.items()})


def problems() -> dict[tuple[int, str], dict[str, Any]]:
    """A recorded answer for each status and code: of several the first, if there is one, that names a field."""
    values = [problem["value"] for problem in recorded()["problems"].values()]
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for value in sorted(values, key=lambda value: not value["errors"]):
        found.setdefault((value["status"], value["code"]), value)
    return dict(sorted(found.items()))


def engine_errors() -> list[type[errors.EngineError]]:
    """Every kind of error that ends a job in the engine or for its data."""
    values = [value for module in (errors, dataset_errors) for value in vars(module).values()]
    kinds = [value for value in values if isinstance(value, type) and issubclass(value, errors.EngineError)]
    return [kind for kind in dict.fromkeys(kinds) if kind is not errors.EngineError]


def _answers() -> Iterator[str]:
    for status, group in groupby(problems().items(), key=lambda found: found[0][0]):
        yield from (f"### {status}", "", "| code | title | when | hint |", "|---|---|---|---|")
        for (_, code), problem in group:
            yield _row(code, problem["title"], ANSWERS[code], problem["hint"])
        yield ""


def _jobs() -> Iterator[str]:
    rows = {kind.code: (kind.title, (kind.__doc__ or "").partition("\n")[0], kind.hint) for kind in engine_errors()}
    yield from ("| code | title | when | what to do |", "|---|---|---|---|")
    for code, words in sorted((rows | JOBS).items()):
        yield _row(code, *words)


def _table(words: dict[str, str]) -> Iterator[str]:
    yield from ("| code | when |", "|---|---|")
    yield from (_row(code, when) for code, when in sorted(words.items()))


def _row(code: str, *cells: str) -> str:
    return f"| `{code}` | {' | '.join(cell.replace('<', '&lt;') for cell in cells)} |"


def main() -> None:
    """Write the page."""
    PATH.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
