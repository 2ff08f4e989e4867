"""What the service answered when it was asked for everything: `examples.json`, which the tests record."""

import json
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "examples.json"


@cache
def recorded() -> dict[str, Any]:
    """`problems` by key, `anywhere` those of no operation, `operations` by id, and the bodies of `webhooks` by type."""
    found: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
    return found
