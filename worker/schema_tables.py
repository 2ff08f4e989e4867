"""Tables of a spec's fields, read from the JSON schema that OpenAPI shows, so that no field can be left out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from app.domain.specs.fields import NO_NUL

Schema = Mapping[str, Any]

HEAD = ("| field | takes | default | meaning |", "|---|---|---|---|")
_MARKERS = ("name", "policy")  # the fields that say which of several forms an object has
_NOTHING = "none"


@dataclass(frozen=True)
class Words:
    """What a schema does not say: where on the page the parts are explained."""

    places: Mapping[str, str]  #: link for each part, by the name of its class

    def takes(self, schema: Schema) -> str:
        """What a value may be, with its bounds."""
        if "$ref" in schema:
            return f"[object]({self.places[_name_of(schema)]})"
        forms = schema.get("anyOf") or schema.get("oneOf")
        if forms:
            said = [self.takes(form) for form in forms if form.get("type") != "null"]
            return " or ".join(dict.fromkeys(said))
        if "enum" in schema or "const" in schema:
            return ", ".join(_code(value) for value in schema.get("enum") or [schema["const"]])
        if schema["type"] == "array":
            return f"list of {schema.get('minItems', 0)} to {schema['maxItems']}: {self.takes(schema['items'])}"
        return _plain(schema)


def field_rows(schema: Schema, fields: Iterable[str], *, words: Words) -> Iterator[str]:
    """A row for each of these fields of an object."""
    yield from HEAD
    for field in fields:
        found = schema["properties"][field]
        yield _row(field, words.takes(found), default_of(found, schema.get("$defs", {})), found["description"])


def part_rows(models: Iterable[type[BaseModel]], *, words: Words) -> Iterator[str]:
    """A part in all its forms: what it may be, then every field, with its forms where not all have it."""
    schemas = [model.model_json_schema() for model in models]
    forms = {_form(schema): schema for schema in schemas}
    yield from _introduced(forms)
    yield from HEAD
    yield from _marker_row(forms)
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for form, schema in forms.items():
        for field, found in schema["properties"].items():
            if not _is_marker(field, found):
                key = (field, words.takes(found), found["description"])
                rows.setdefault(key, {})[form] = default_of(found)
    for (field, takes, meaning), defaults in rows.items():
        having = "" if len(defaults) == len(forms) else f"{_listed(defaults)} only. "
        yield _row(field, takes, _merged(defaults), f"{having}{meaning}")


def default_of(schema: Schema, parts: Mapping[str, Schema] = MappingProxyType({})) -> str:
    """A field's default as it would be written, or that there is none; `parts` are those it may be an object of."""
    if "default" not in schema:
        return "needed"
    default = schema["default"]
    if default is None:
        return _NOTHING
    marker = next((name for name in _MARKERS if isinstance(default, dict) and name in default), None)
    if marker is None:
        return _code(default)
    written = _written(default, marker, [parts[name] for name in _parts_in(schema) if name in parts])
    takes_a_name = any("enum" in form for form in schema.get("anyOf", ()))
    return _code(default[marker] if takes_a_name and list(written) == [marker] else written)


def _written(default: Mapping[str, Any], marker: str, parts: Iterable[Schema]) -> dict[str, Any]:
    """What has to be written to get a default object: which form it is, and what that form has otherwise by itself."""
    forms = [part["properties"] for part in parts if marker in part["properties"]]
    mine = [form for form in forms if form[marker].get("const", default[marker]) == default[marker]]
    usual = {field: found.get("default") for form in mine for field, found in form.items()}
    return {name: value for name, value in default.items() if name == marker or value != usual.get(name)}


def _parts_in(schema: Schema) -> Iterator[str]:
    """The names of the classes that a value may be an object of."""
    if "$ref" in schema:
        yield _name_of(schema)
    for form in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _parts_in(form)


def _introduced(forms: Mapping[str, Schema]) -> Iterator[str]:
    """What the docstrings say, in a list where there are several."""
    for form, schema in forms.items():
        dash = f"- `{form}`: " if len(forms) > 1 else ""
        yield f"{dash}{' '.join(schema['description'].split())}"
    yield ""


def _marker_row(forms: Mapping[str, Schema]) -> Iterator[str]:
    """The field that says which of several forms it is; one that has a default may be left out."""
    if len(forms) == 1:
        return
    properties = [schema["properties"] for schema in forms.values()]
    marker = next(field for field, found in properties[0].items() if _is_marker(field, found))
    defaults = (default_of(one[marker]) for one in properties if "default" in one[marker])
    takes = ", ".join(_code(form) for form in forms)
    yield _row(marker, takes, next(defaults, "needed"), properties[0][marker]["description"])


def _form(schema: Schema) -> str:
    """Which form it is, e.g. `sgd`, from the one value its marker may have."""
    constants = (found.get("const") for field, found in schema["properties"].items() if field in _MARKERS)
    return next((str(value) for value in constants if value), str(schema["title"]))


def _is_marker(field: str, schema: Schema) -> bool:
    return field in _MARKERS and "const" in schema


def _merged(defaults: Mapping[str, str]) -> str:
    if len(set(defaults.values())) == 1:
        return next(iter(defaults.values()))
    return ", ".join(f"{form}: {default}" for form, default in defaults.items())


def _listed(forms: Iterable[str]) -> str:
    return ", ".join(f"`{form}`" for form in forms)


def _name_of(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _plain(schema: Schema) -> str:
    if schema["type"] == "boolean":
        return "true or false"
    if schema["type"] == "string":
        return _text(schema)
    if schema["type"] == "object":
        return f"object of up to {schema['maxProperties']} fields"
    noun = "whole number" if schema["type"] == "integer" else "number"
    return " ".join([noun, *_bounds(schema)])


def _text(schema: Schema) -> str:
    if schema.get("pattern", NO_NUL) != NO_NUL:
        return f"text like `{schema['pattern']}`"
    return f"text of up to {schema['maxLength']} characters" if "maxLength" in schema else "text"


def _bounds(schema: Schema) -> Iterator[str]:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "and below"}
    for keyword, word in words.items():
        if keyword in schema:
            yield f"{word} {_number(schema[keyword])}"


def _number(value: float) -> str:
    return "1e9" if value == 1e9 else f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _code(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _row(field: str, *cells: str) -> str:
    return f"| `{field}` | {' | '.join(cells)} |"
