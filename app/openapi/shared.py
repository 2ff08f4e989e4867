"""Puts problems that several operations answer alike into one place of the OpenAPI document."""

import json
from collections import Counter
from typing import Any

from app.problems import MEDIA_TYPE

Part = dict[str, Any]


def share(document: Part) -> None:
    """Replace answers that occur more than once by a reference to `components/responses`."""
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    problems = [(op["responses"], status) for op in operations for status in op["responses"] if _is_problem(op, status)]
    counts = Counter(json.dumps(responses[status]) for responses, status in problems)
    shared = document["components"].setdefault("responses", {})
    for responses, status in problems:
        if counts[json.dumps(responses[status])] > 1:
            name = _name(status, responses[status])
            shared[name] = responses[status]
            responses[status] = {"$ref": f"#/components/responses/{name}"}


def _is_problem(operation: Part, status: str) -> bool:
    return MEDIA_TYPE in operation["responses"][status].get("content", {})


def _name(status: str, answer: Part) -> str:
    """The status and its examples, in which alone such answers differ."""
    examples = answer["content"][MEDIA_TYPE]["examples"].values()
    return "-".join([status, *(example["$ref"].rpartition("/")[2] for example in examples)])
