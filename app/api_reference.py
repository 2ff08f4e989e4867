"""Fills docs/reference/api.md from docs/reference/openapi.json: `python -m app.api_reference`. A test compares."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from app import openapi_reference
from app.reference_parts import FOLDER, filled

PAGE = FOLDER / "api.md"

Part = dict[str, Any]
Refusal = tuple[str, str]  #: status and code

# Operations beside the rule, which is `read` for a GET and `submit` for everything else. A test asks each of them.
_SCOPES = {
    "live": "no key",
    "ready": "no key",
    "metrics": "`admin`",
    "preview_schedule": "`read`",
    "add_dataset": "`submit`, or `admin` to register a folder",
}
_ANYWHERE = ("X-Request-ID",)  #: parameters of every operation, which the page speaks of once
_GROUPS = ("jobs", "datasets", "models", "architectures", "schedules", "webhooks", "health")


def render(document: Part) -> str:
    """The page's text."""
    return filled(PAGE.read_text("utf-8"), {"operations": Operations(document).lines()})


class Operations:
    """The operations of an OpenAPI document as lines of a page."""

    def __init__(self, document: Part) -> None:
        self._document = document
        paths = document["paths"].items()
        found = [(path, method.upper(), operation) for path, methods in paths for method, operation in methods.items()]
        self._all = sorted(found, key=lambda one: _GROUPS.index(one[2]["tags"][0]))
        below_v1 = [self._refusals(operation) for path, _, operation in self._all if path.startswith("/v1/")]
        self._shared = set.intersection(*map(set, below_v1))

    def lines(self) -> Iterator[str]:
        """A table of all, then each one."""
        yield from ("| operation | id | needs |", "|---|---|---|")
        for path, method, operation in self._all:
            says = f"`{operation['operationId']}` | {scope_of(method, operation)}"
            yield f"| [`{method} {path}`](#{_anchor(method, path)}) | {says} |"
        if self._shared:
            yield from ("", f"Any operation below `/v1` may refuse with {_listed(sorted(self._shared))}.")
        for group, operations in groupby(self._all, key=lambda one: one[2]["tags"][0]):
            yield from ("", f"### {group.capitalize()}")
            for path, method, operation in operations:
                yield from self._operation(path, method, operation)

    def _operation(self, path: str, method: str, operation: Part) -> Iterator[str]:
        yield from ("", f"#### {method} {path}", "")
        yield f"`{operation['operationId']}`, needs {scope_of(method, operation)}."
        yield from ("", " ".join(operation["description"].split()))
        parameters = [self._resolved(one) for one in operation.get("parameters", [])]
        if asked := [one for one in parameters if one["in"] != "path" and one["name"] not in _ANYWHERE]:
            yield from ("", "| parameter | in | takes | default | meaning |", "|---|---|---|---|---|")
            yield from (self._parameter(one) for one in asked)
        yield ""
        if "requestBody" in operation:
            yield f"- Body: {' or '.join(f'`{media}`' for media in operation['requestBody']['content'])}"
        yield from self._answers(operation, left_out=self._shared if path.startswith("/v1/") else set())

    def _parameter(self, parameter: Part) -> str:
        schema = parameter["schema"]
        default = json.dumps(schema["default"]) if schema.get("default") is not None else ""
        cells = (
            f"`{parameter['name']}`",
            parameter["in"],
            self._takes(schema),
            f"`{default}`" if default else "",
            parameter.get("description", ""),
        )
        return f"| {' | '.join(cells)} |"

    def _takes(self, schema: Part) -> str:
        schema = self._resolved(schema)
        if "anyOf" in schema:
            return " or ".join(self._takes(form) for form in schema["anyOf"] if form.get("type") != "null")
        if "enum" in schema:
            return ", ".join(f"`{value}`" for value in schema["enum"])
        if schema["type"] == "array":
            return f"may be repeated: {self._takes(schema['items'])}"
        words = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`"}
        bounds = [f"{word} {schema[key]:,}" for word, key in (("from", "minimum"), ("to", "maximum")) if key in schema]
        return " ".join([words[schema["type"]], *bounds])

    def _answers(self, operation: Part, *, left_out: set[Refusal]) -> Iterator[str]:
        for status, response in self._responses(operation):
            if not _problems(response):
                media = " or ".join(f"`{one}`" for one in response.get("content", {}))
                yield f"- {status}: {response['description']}{f' {media}' if media else ''}"
        own = [refusal for refusal in self._refusals(operation) if refusal not in left_out]
        if own:
            yield f"- Refusals: {_listed(own)}"

    def _refusals(self, operation: Part) -> list[Refusal]:
        return [
            (status, code)
            for status, response in self._responses(operation)
            for code in _problems(response).get("examples", {})
        ]

    def _responses(self, operation: Part) -> Iterator[tuple[str, Part]]:
        for status, response in operation["responses"].items():
            yield status, self._resolved(response)

    def _resolved(self, part: Part) -> Part:
        found: Any = self._document
        for name in part.get("$ref", "").split("/")[1:]:
            found = found[name]
        return part if found is self._document else found


def scope_of(method: str, operation: Part) -> str:
    """What a key needs to be allowed for this operation."""
    return _SCOPES.get(operation["operationId"], "`read`" if method == "GET" else "`submit`")


def _problems(response: Part) -> Part:
    """What a response says of problems; nothing where it is no refusal."""
    found: Part = response.get("content", {}).get("application/problem+json", {})
    return found


def _listed(refusals: list[Refusal]) -> str:
    by_status = groupby(refusals, key=lambda refusal: refusal[0])
    return "; ".join(f"{status} {', '.join(f'`{code}`' for _, code in group)}" for status, group in by_status)


def _anchor(method: str, path: str) -> str:
    kept = "".join(letter for letter in f"{method} {path}".lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(render(json.loads(openapi_reference.PAGE.read_text("utf-8"))), "utf-8")
