"""What is wrong with a field, in our words: pydantic's findings become pointers, stable codes and sentences."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from app.domain.specs import (
    Adam,
    AdamW,
    AutoSpec,
    ComparisonSpec,
    DatasetImportSpec,
    RangeTestSpec,
    Sgd,
    TrainingSpec,
    TuningSpec,
)
from app.domain.specs.comparison import ARM_NAME
from app.domain.specs.fields import NO_NUL
from app.domain.specs.layers import LAYER_TYPES
from app.errors import FieldError, did_you_mean, json_pointer
from app.idempotency.in_flight import FORM as KEY_FORM

# A value of another JSON type than the field's: pydantic's type of error → what the field takes.
_TYPES = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "named_type": "an object or a name",
    "number_type": "a number",
    "string_type": "text",
    "string_unicode": "Unicode text",
    "tuple_type": "a list",
}
# A number outside its bounds: type of error → the words for the bound, and its name in the error's context.
_BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LENGTHS = {
    "string_too_long": ("too_long", "must have at most {max_length} characters, not {length}"),
    "string_too_short": ("too_short", "must have at least {min_length} characters, not {length}"),
    "too_long": ("too_long", "must have at most {max_length} items, not {length}"),
    "too_short": ("too_short", "must have at least {min_length} items, not {length}"),
}
# No regular expression is shown: nobody should have to read one.
PATTERNS = {
    NO_NUL: "must not contain a NUL character",
    KEY_FORM: "must be 1 to 255 printable ASCII characters without spaces, e.g. a random UUID",
    ARM_NAME: "must begin with a lower-case letter or digit (ASCII); then . _ @ and - are allowed too",
    "^sha256:[0-9a-f]{64}$": 'must be "sha256:" and 64 digits from 0 to 9 and a to f',
    "^[A-Za-z0-9][A-Za-z0-9 ._-]*$": "must begin with a letter or digit (ASCII); then spaces and . _ - are allowed too",
}
_TAGGED: dict[str, Sequence[type[BaseModel]]] = {
    "kind": (RangeTestSpec, TrainingSpec, DatasetImportSpec, ComparisonSpec, TuningSpec, AutoSpec),
    "name": (Sgd, Adam, AdamW),
    "type": LAYER_TYPES,
}
_HINTS = {
    "unknown_field": "Leave it out or correct its name; /docs shows every field.",
    "missing_field": "Add it; /docs shows an example.",
    "unknown_option": "Give one of the options named.",
    "wrong_type": "Send the JSON type named; numbers, true and false stand without quotes.",
    "out_of_range": "Give a number within the bounds named.",
    "not_finite": "Give a finite number, or leave the field out for its default.",
    "too_long": "Shorten it.",
    "too_short": "Give more of it, or leave it out.",
    "invalid_value": "Change it as the detail says and send it again.",
}
_HINT_FOR_SEVERAL = "Correct every field named in errors and send it again."


@dataclass(frozen=True)
class _Finding:
    """One of pydantic's errors and the place it is about: a JSON pointer, or a parameter's name after a `?`."""

    entry: dict[str, Any]
    place: str

    @property
    def code(self) -> str:
        return _code(self.entry["type"])


def field_errors(found: Any, body: Any) -> list[FieldError]:  # noqa: ANN401 - as pydantic has them
    """pydantic's list of errors as ours, one for each place; `body` is what they were found in."""
    by_place: dict[str, list[_Finding]] = {}
    for entry in found:
        finding = _Finding(entry, _place(entry, body))
        by_place.setdefault(finding.place, []).append(finding)
    # Where something inside a value is wrong, the other members of a union only say that it is no value of theirs.
    outer = [place for place in by_place if any(other.startswith(f"{place}/") for other in by_place)]
    return [_field_error(place, findings) for place, findings in by_place.items() if place not in outer]


def summary_of(errors: list[FieldError]) -> str:
    """The first error with its place, and how many more there are."""
    first, more = errors[0], len(errors) - 1
    place = "The body" if first.pointer == "#" else first.pointer or first.parameter
    detail = f"{place}: {first.detail}"
    if more:
        detail = f"{detail.rstrip('.')}; and {more} more"
    return detail if detail.endswith((".", "?")) else f"{detail}."


def hint_for(errors: list[FieldError]) -> str:
    """What to do about them."""
    codes = {error.code for error in errors}
    return _HINTS[codes.pop()] if len(codes) == 1 else _HINT_FOR_SEVERAL


# -- where ------------------------------------------------------------------------------------------------------------


def _place(entry: dict[str, Any], body: Any) -> str:  # noqa: ANN401
    source, *path = entry["loc"] or ("body",)
    return f"?{path[0]}" if source in ("query", "path", "header") else _pointer(path, body, entry)


def _pointer(path: list[Any], body: Any, entry: dict[str, Any]) -> str:  # noqa: ANN401
    """A JSON pointer to the field. pydantic's path also holds the tags of unions, which no body contains."""
    parts: list[Any] = []
    for index, part in enumerate(path):
        is_missing = entry["type"] == "missing" and index == len(path) - 1
        if _holds(body, part):
            body = body[part]
        elif not is_missing:
            continue
        parts.append(part)
    if entry["type"].startswith("union_tag") and isinstance(body, dict):  # a bare string is the tag itself
        parts.append(_discriminator(entry))
    if entry["type"] == "fields_at_odds":
        parts.append(entry["ctx"]["field"])
    return json_pointer(*parts)


def _holds(body: Any, part: Any) -> bool:  # noqa: ANN401
    if isinstance(body, dict):
        return part in body
    return isinstance(body, list) and isinstance(part, int) and part < len(body)


def _discriminator(entry: dict[str, Any]) -> str:
    return str(entry["ctx"]["discriminator"]).strip("'")


# -- what -------------------------------------------------------------------------------------------------------------


def _code(kind: str) -> str:
    """pydantic's type of error under a name that will not change with pydantic."""
    if kind in _TYPES:
        return "wrong_type"
    if kind in _BOUNDS:
        return "out_of_range"
    if kind in _LENGTHS:
        return _LENGTHS[kind][0]
    return _OTHER_CODES.get(kind, "invalid_value")


_OTHER_CODES = {
    "enum": "unknown_option",
    "extra_forbidden": "unknown_field",
    "finite_number": "not_finite",
    "literal_error": "unknown_option",
    "missing": "missing_field",
    "union_tag_invalid": "unknown_option",
    "union_tag_not_found": "missing_field",
}


def _field_error(place: str, findings: list[_Finding]) -> FieldError:
    telling = _telling(findings)
    value = findings[0].entry.get("input")
    wanted = [words for finding in telling for words in _wanted(finding.entry, among=len(telling))]
    detail = f"must be {_either(wanted)}, not {_shown(value)}" if wanted else _sentence(telling[-1].entry)
    if wanted:
        detail += _meant(value, [option for finding in telling for option in _options(finding.entry)])
    # A word where an option or a number may stand is meant as an option.
    code = telling[0 if isinstance(value, str) else -1].code
    if place.startswith("?"):
        return FieldError(detail, code, parameter=place[1:])
    return FieldError(detail, code, pointer=place)


def _telling(findings: list[_Finding]) -> list[_Finding]:
    """Without the members of a union that only say that the value is of another type than theirs."""
    is_of_a_type = any(finding.code not in ("wrong_type", "unknown_option") for finding in findings)
    kept = [finding for finding in findings if not (is_of_a_type and finding.code == "wrong_type")]
    return sorted(kept, key=lambda finding: finding.entry["type"] != "literal_error")


def _wanted(entry: dict[str, Any], *, among: int) -> list[str]:
    """What may stand after "must be"; nothing where the error is not of that form."""
    kind, context = entry["type"], entry.get("ctx", {})
    if kind in _TYPES:
        return [_TYPES[kind]]
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return [f"{words if among == 1 else f'a number {words}'} {_shown(context[name])}"]
    if kind == "finite_number":
        return ["a finite number"]
    options = _options(entry) if kind in ("literal_error", "enum") else []
    return [f"one of {', '.join(options)}"] if among == 1 and len(options) > 1 else [f'"{name}"' for name in options]


def _options(entry: dict[str, Any]) -> list[str]:
    """The names in pydantic's `'a', 'b' or 'c'`."""
    context = entry.get("ctx", {})
    return re.findall(r"'([^']*)'", context.get("expected") or context.get("expected_tags") or "")


def _either(words: list[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _meant(value: Any, known: list[str]) -> str:  # noqa: ANN401
    """A hint at the known name that was perhaps meant, or nothing."""
    return did_you_mean(value, known).rstrip(".") if isinstance(value, str) else ""


def _sentence(entry: dict[str, Any]) -> str:
    """The whole detail for an error that is about more than what the value must be."""
    kind, context = entry["type"], entry.get("ctx", {})
    if kind in _LENGTHS:
        return (
            _LENGTHS[kind][1].format(**context, length=len(entry["input"])) if entry["input"] else "must not be empty"
        )
    write = _SENTENCES.get(kind)
    return write(entry, context) if write else str(entry["msg"]).removeprefix("Value error, ")


def _unknown_field(entry: dict[str, Any], context: dict[str, Any]) -> str:
    fields = context.get("fields", [])
    meant = did_you_mean(str(entry["loc"][-1]), fields)
    return f"is no field here{meant} There are {', '.join(fields)}" if fields else "is no field here"


def _unknown_tag(entry: dict[str, Any], _: dict[str, Any]) -> str:
    tags, tag = _options(entry), entry["input"][_discriminator(entry)]
    return f"must be one of {', '.join(tags)}, not {_shown(tag)}{_meant(tag, tags)}"


def _missing_tag(entry: dict[str, Any], _: dict[str, Any]) -> str:
    name = _discriminator(entry)
    tags = [get_args(member.model_fields[name].annotation)[0] for member in _TAGGED[name]]
    return f"{name} is missing: {_either(tags)}"


_SENTENCES: dict[str, Callable[[dict[str, Any], dict[str, Any]], str]] = {
    "extra_forbidden": _unknown_field,
    "missing": lambda entry, _: f"{entry['loc'][-1]} is missing",
    "string_pattern_mismatch": lambda _, context: PATTERNS.get(context["pattern"], "has a form that is not allowed"),
    "union_tag_invalid": _unknown_tag,
    "union_tag_not_found": _missing_tag,
}


def _shown(value: Any) -> str:  # noqa: ANN401
    """A value as a short piece of JSON."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, float):
        return f"{value:.12g}"
    text = json.dumps(value, ensure_ascii=not str(value).isprintable(), default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"
