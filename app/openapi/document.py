"""Completes the framework's OpenAPI document: what each operation really answers, with examples, and where that leads.

An operation declares the statuses that were recorded of it and no others; `tests/app/openapi` records them.
"""

from collections.abc import Iterator
from typing import Any

from app.domain.specs.fields import NO_NUL
from app.openapi import headers
from app.openapi.examples import recorded
from app.openapi.links import LINKS
from app.openapi.shared import share
from app.problems import MEDIA_TYPE, Problem

Part = dict[str, Any]

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
# Of a file nothing is known but its bytes; of other text no more than that it is one.
_BYTES = {"type": "string", "format": "binary"}
_TEXT = {"type": "string"}
_SAYS = {
    "200": "Done.",
    "201": "Made.",
    "202": "Accepted: it is safe, and will be worked on.",
    "204": "Done; there is nothing to say.",
    "206": "The range that was asked for.",
    "304": "Unchanged since the ETag that was given.",
}


def complete(document: Part) -> None:
    """Add all that the framework does not know."""
    components = document["components"]
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= schema.pop("$defs") | {"Problem": schema}
    problems = recorded()["problems"]
    components["examples"] = {key: {"value": problems[key]["value"]} for key in sorted(problems)}
    components["headers"], components["parameters"] = headers.ANSWERED, headers.ASKED
    for operation in _operations(document):
        _complete(operation, recorded()["operations"].get(operation["operationId"], {}))
    share(document)
    for status, codes in recorded()["anywhere"].items():  # no operation answers it, but an address, or the server
        components["responses"]["-".join([status, *codes])] = _refused(codes)
    for event, body in recorded()["webhooks"].items():
        content = document["webhooks"][event]["post"]["requestBody"]["content"]["application/json"]
        content["examples"] = {event: {"value": body}}


def _operations(document: Part) -> Iterator[Part]:
    for methods in document["paths"].values():
        yield from methods.values()


def _complete(operation: Part, found: Part) -> None:
    responses = operation["responses"]
    responses.pop("default", None)  # it kept the framework from declaring refusals of its own
    for status, answer in found.get("answers", {}).items():
        whole = found["answers"]["200"] if status == "206" else answer  # any file may be asked for in part
        responses[status] = _granted(responses.get(status, {}), status, answer | {"content": whole["content"]})
    for status, codes in found.get("problems", {}).items():
        responses[status] = _refused(codes)
    operation["responses"] = dict(sorted(responses.items()))
    _add_requests(operation, found)
    _add_links(operation)


def _granted(known: Part, status: str, answer: Part) -> Part:
    description = known.get("description", "Successful Response")
    response: Part = {"description": _SAYS[status] if description == "Successful Response" else description}
    if answer["headers"]:
        response["headers"] = headers.refer(answer["headers"])
    schemas = {media: content.get("schema", {}) for media, content in known.get("content", {}).items()}
    if answer["content"]:
        response["content"] = {
            media: _content(media, schemas, examples, is_file="Accept-Ranges" in answer["headers"])
            for media, examples in sorted(answer["content"].items())
        }
    return response


def _content(media: str, schemas: Part, examples: Part, *, is_file: bool) -> Part:
    if is_file and not media.endswith("json"):
        return {"schema": _BYTES}
    content: Part = {"examples": {name: {"value": value} for name, value in sorted(examples.items())}}
    # Of a stream of events OpenAPI 3.1 cannot tell whether a schema is of each or of all, and a file may hold anything.
    if not is_file and media != "text/event-stream":
        content["schema"] = _TEXT if media.startswith("text/") else schemas[media]
    return content


def _refused(codes: dict[str, str]) -> Part:
    """One answer for all the problems of a status."""
    found = {code: recorded()["problems"][key] for code, key in sorted(codes.items())}
    titles = dict.fromkeys(problem["value"]["title"] for problem in found.values())
    names = sorted({name for problem in found.values() for name in problem["headers"]})
    response: Part = {"description": "; ".join(titles) + "."}
    if names:
        response["headers"] = headers.refer(names)
    examples = {code: {"$ref": f"#/components/examples/{codes[code]}"} for code in found}
    return response | {"content": {MEDIA_TYPE: {"schema": _PROBLEM, "examples": examples}}}


def _add_requests(operation: Part, found: Part) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter["example"] = found["path"][parameter["name"]]
        if parameter["in"] in ("path", "query"):
            _forbid_nul(parameter["schema"])
    declared = {parameter.get("name", "").lower() for parameter in operation.get("parameters", [])}
    asked = [name for name in found.get("asked", []) if name.lower() not in declared]
    if asked:
        operation["parameters"] = [*operation.get("parameters", []), *headers.ask(asked)]
    if found.get("requests"):
        content = operation["requestBody"]["content"]["application/json"]
        content["examples"] = {name: {"value": value} for name, value in sorted(found["requests"].items())}


def _forbid_nul(schema: Part) -> None:
    """In texts of an address: app.gate refuses it, whatever the operation."""
    if schema.get("type") == "string" and "enum" not in schema:
        schema.setdefault("pattern", NO_NUL)
    for part in (*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])):
        _forbid_nul(part)


def _add_links(operation: Part) -> None:
    for status, links in LINKS.get(operation["operationId"], {}).items():
        operation["responses"][status]["links"] = links
