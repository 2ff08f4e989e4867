"""Writes `app/openapi/examples.json`: `python -m tests.app.openapi.record`. A test compares it with a new recording."""

import json
import tempfile
from pathlib import Path
from typing import Any

from app.config import Settings
from app.db.migrate import upgrade
from app.openapi.examples import PATH
from tests.app.openapi.recording import record

Exchange = dict[str, Any]


def arranged(exchanges: list[Exchange]) -> dict[str, Any]:
    """The exchanges by operation, with problems that are answered word for word alike in one place."""
    problems, operations = _Problems(), dict[str, Any]()
    webhooks = {exchange["name"]: exchange["body"] for exchange in exchanges if exchange["operation"] == "webhook"}
    for exchange in exchanges:
        if exchange["operation"] == "webhook":
            continue
        found = operations.setdefault(exchange["operation"], {"path": {}, "asked": [], "requests": {}, "answers": {}})
        found["asked"] = sorted({*found["asked"], *exchange["asked"]})
        if exchange["media_type"] == "application/problem+json":
            code = exchange["body"]["code"]
            known = found.setdefault("problems", {}).setdefault(str(exchange["status"]), {})
            if code not in known:
                known[code] = problems.key(exchange)
        else:
            _grant(found, exchange)
    refusals = operations.pop("", {"problems": {}})["problems"]
    return {"problems": problems.by_key, "anywhere": refusals, "operations": operations, "webhooks": webhooks}


def _grant(found: dict[str, Any], exchange: Exchange) -> None:
    name = exchange["name"]
    found["path"] = found["path"] or exchange["path"]
    if exchange["request"] is not None and exchange["status"] < 400:
        found["requests"][name] = exchange["request"]
    answer = found["answers"].setdefault(str(exchange["status"]), {"headers": [], "content": {}})
    answer["headers"] = sorted({*answer["headers"], *exchange["headers"]})
    if exchange["media_type"]:
        examples = answer["content"].setdefault(exchange["media_type"], {})
        examples |= {} if exchange["body"] is None else {name: exchange["body"]}


class _Problems:
    """Each by its code; one that an operation answers in words of its own by the code and the operation."""

    def __init__(self) -> None:
        self.by_key: dict[str, Any] = {}

    def key(self, exchange: Exchange) -> str:
        """Where this problem is kept."""
        code = exchange["body"]["code"]
        found = {"headers": exchange["headers"], "value": exchange["body"]}
        same = [key for key, known in self.by_key.items() if known == found]
        key = same[0] if same else code if code not in self.by_key else f"{code}.{exchange['operation']}"
        self.by_key[key] = found
        return key


def text(document: dict[str, Any]) -> str:
    """As it lies in the repository."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(data_dir=Path(name) / "migrated")
        settings.data_dir.mkdir()
        upgrade(settings)
        exchanges = record(Path(name), settings.data_dir / "supercycle.db")
    PATH.write_text(text(arranged(exchanges)), "utf-8")
