"""Writes `docs/reference/openapi.json`: `python -m app.openapi_reference`. A test compares it with what is served."""

import json
import tempfile
from pathlib import Path
from typing import Any

from app.config import Settings
from app.main import create_app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "openapi.json"


def served() -> dict[str, Any]:
    """The document as a service serves it, but for its version, which changes with every release."""
    with tempfile.TemporaryDirectory() as folder:
        document = create_app(Settings(data_dir=Path(folder))).openapi()
    return document | {"info": {name: value for name, value in document["info"].items() if name != "version"}}


def text(document: dict[str, Any]) -> str:
    """As it lies in the repository: a line each, in one order, so that a change reads well."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(served()), "utf-8")
