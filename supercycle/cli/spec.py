"""From options to a job's spec: only what the user gave is sent, on top of a file where there is one."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from supercycle.transport import Json

# Objects with a field that says which one they are, and the service's own default for it: it must be sent as
# soon as another field of the object is, unless a preset or the job that is cloned knows which one it is.
NAMED_PARTS: dict[str, tuple[str, str | None]] = {
    "architecture": ("name", None),
    "dataset": ("name", None),
    "optimizer": ("name", "sgd"),
    "schedule": ("policy", "one_cycle"),
}
# Where a value belongs in the spec, and the value.
Field = tuple[tuple[str, ...], Any]
# Numbers as people write them and JSON does not: .5, 5. and +0.5.
_NUMBER = re.compile(r"[+-]?(\d+\.\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def build_spec(kind: str, *, options: Mapping[str, Any], base: Path | None, settings: Sequence[str]) -> Json:
    """The body of a submission: the file `base`, and on top of it what the options and each `--set` say."""
    return _filled({**read_base(base, kind), "kind": kind}, options, settings, is_patch=False)


def build_changes(*, options: Mapping[str, Any], settings: Sequence[str]) -> Json:
    """What the options and each `--set` change of a job that was submitted before."""
    return _filled({}, options, settings, is_patch=True)


def build_schedule(*, options: Mapping[str, Any], settings: Sequence[str]) -> Json:
    """A schedule alone, of options and each `--set schedule.FIELD=VALUE`."""
    body = _filled({}, {name: options[name] for name in SCHEDULE}, settings, is_patch=False)
    others = [name for name in body if name != "schedule"]
    if others:
        raise typer.BadParameter(f"{others[0]} is no field of a schedule", param_hint="--set")
    schedule: Json = body["schedule"]
    return schedule


def _filled(spec: Json, options: Mapping[str, Any], settings: Sequence[str], *, is_patch: bool) -> Json:
    """`spec` with what was given put into it.

    Whatever replaces a whole object goes first, so that it cannot replace a field that was given beside it.
    """
    given = {
        option: (path, read(options[option]))
        for option, (path, read) in OPTIONS.items()
        if options.get(option) not in (None, [])
    }
    said = [field for setting in settings for field in _read_setting(setting)]
    for option, (path, value) in given.items():
        _refuse_two_values(option, path, value, said=said)
    replacing = sorted((field for field in said if _replaces(field[0])), key=lambda field: len(field[0]))
    adding = [field for field in said if not _replaces(field[0])]
    for path, value in (*replacing, *given.values(), *adding):
        put(spec, path, value, is_patch=is_patch)
    _check_finite(spec, ())
    return spec


def flag(option: str) -> str:
    """An option as it is typed."""
    return "--tag" if option == "tags" else f"--{option.replace('_', '-')}"


def _read_setting(setting: str) -> list[Field]:
    """The field of one `--set` with its value; of an object that does not say which one it is, each of its fields."""
    name, equals, text = setting.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{setting!r} must look like schedule.final_div=1000", param_hint="--set")
    path, value = tuple(name.split(".")), read_value(text)
    if path == ("schedule",) and not isinstance(value, dict):
        detail = "is an object; set one of its fields, e.g. --set schedule.policy=cosine"
        raise typer.BadParameter(detail, param_hint="--set schedule")
    marker, default = NAMED_PARTS.get(name, (None, None))
    if value and isinstance(value, dict) and default is not None and marker not in value:
        return [((*path, field), one) for field, one in value.items()]
    return [(path, value)]


def _replaces(path: tuple[str, ...]) -> bool:
    """Whether a value there takes the place of a whole object, or may: it is one, or says which one it is."""
    return len(path) == 1 or NAMED_PARTS.get(path[0], ("", None))[0] == path[1]


def _refuse_two_values(option: str, path: tuple[str, ...], value: Any, *, said: Sequence[Field]) -> None:  # noqa: ANN401
    for place, other in said:
        if _differ(path, value, deeper=place, other=other) or _differ(place, other, deeper=path, other=value):
            hint = f"{flag(option)} and --set {'.'.join(place)}"
            raise typer.BadParameter("say different things of the same field; leave one out", param_hint=hint)


def _differ(path: tuple[str, ...], value: Any, *, deeper: tuple[str, ...], other: Any) -> bool:  # noqa: ANN401
    """Whether `value` at `path` leaves no room for `other` at the same place, or at a field of it."""
    if deeper[: len(path)] != path:
        return False
    for name in deeper[len(path) :]:
        marker = NAMED_PARTS.get(path[0], (None, None))[0]
        fields = {marker: value} if marker and isinstance(value, str) else value
        if not isinstance(fields, dict):
            return True
        if name not in fields:
            return False
        value = fields[name]
    return bool(value != other)


def check_essentials(spec: Json) -> None:
    """End the command where the spec lacks what has no default."""
    if spec.get("preset"):
        return  # it names both
    needed = ("dataset",) if spec.get("kind") == "auto" else ("dataset", "architecture")
    missing = [f"--{field}" for field in needed if not spec.get(field)]
    if missing:
        raise typer.BadParameter("must be given, or be in --spec FILE.json", param_hint=" and ".join(missing))


def read_base(path: Path | None, kind: str) -> Json:
    """The spec in a JSON file."""
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"cannot read {path}: {error}", param_hint="--spec") from error
    if not isinstance(content, dict) or content.get("kind", kind) != kind:
        raise typer.BadParameter(f'{path} must hold a JSON object with "kind": "{kind}"', param_hint="--spec")
    return content


def put(spec: Json, path: Sequence[str], value: Any, *, is_patch: bool) -> None:  # noqa: ANN401
    """Set one field, making the objects on the way to it."""
    name, *rest = path
    if not rest:
        spec[name] = value
        return
    is_settled = is_patch or bool(spec.get("preset"))
    spec[name] = _part(name, spec.get(name), field=rest[0], value=value, is_settled=is_settled)
    put(spec[name], rest, value, is_patch=is_patch)


def _part(name: str, present: Any, *, field: str, value: Any, is_settled: bool) -> Json:  # noqa: ANN401
    """What stands under `name`, as an object that is about to get `field`."""
    marker, default = NAMED_PARTS.get(name, (None, None))
    if present and not isinstance(present, dict) and not (marker and isinstance(present, str)):
        raise typer.BadParameter(f"is {present!r}, which has no field {field!r}", param_hint=name)
    part = {marker: present} if marker and isinstance(present, str) else dict(present or {})
    if marker is None:
        return part
    if field == marker and part.get(marker, default) != value:
        return {}  # another optimizer or policy knows nothing of the fields of the one it replaces
    return part if default is None or is_settled else {marker: default, **part}


def read_value(text: str) -> Any:  # noqa: ANN401
    """A number, true, null, a list … as JSON writes them; anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return float(text) if _NUMBER.fullmatch(text) else text


def _check_finite(value: Any, path: tuple[str, ...]) -> None:  # noqa: ANN401
    """End the command where a number is NaN or infinite: the body could not even be written as JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number", param_hint=".".join(path))
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        _check_finite(part, (*path, str(name)))


def read_named(text: str) -> Any:  # noqa: ANN401
    """`resnet9`, or `resnet9:width=16,…` as an object."""
    name, colon, rest = text.partition(":")
    return {"name": name, **read_pairs(rest)} if colon else name


def read_augmentation(text: str) -> Any:  # noqa: ANN401
    """`default`, `none`, or `crop=4,flip` as an object."""
    return text if text in ("default", "none") else read_pairs(text)


def read_pairs(text: str) -> Json:
    """`width=16,flip` as {"width": 16, "flip": true}."""
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return {name: read_value(value) if equals else True for name, equals, value in pairs}


def read_numbers(text: str) -> list[float]:
    """`0.5,0.125` as a list."""
    try:
        return [float(number) for number in text.split(",") if number]
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no list of numbers, such as 0.5,0.125", param_hint="--fractions"
        ) from error


def read_names(text: str) -> list[str]:
    """`batch_size,momentum` as a list; `none` is an empty one."""
    return [] if text == "none" else [name for name in text.split(",") if name]


def _as_given(value: Any) -> Any:  # noqa: ANN401
    return value


def _in_seconds(duration: timedelta) -> float:
    seconds = duration.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


# Option → where its value belongs in the spec, and how it is read.
Places = dict[str, tuple[tuple[str, ...], Callable[[Any], Any]]]
# How to run it, whatever it is.
RUNNING: Places = {
    **{name: ((name,), _as_given) for name in ("name", "tags", "priority", "device", "devices", "max_attempts")},
    "max_runtime": (("max_runtime_seconds",), _in_seconds),
    "on_time_limit": (("on_time_limit",), _as_given),
}
# All of them; what names a part stands before its fields.
OPTIONS: Places = {
    "preset": (("preset",), _as_given),
    **{name: ((name,), _as_given) for name in ("dataset", "epochs", "seed", "precision", "image_size", "pretrained")},
    "batch_size": (("batch_size",), read_value),
    **{name: ((name,), _as_given) for name in ("start_lr", "end_lr", "steps", "sweep")},
    **{name: ((name,), _as_given) for name in ("seeds", "fraction", "margin", "search_steps", "reuse")},
    "fractions": (("fractions",), read_numbers),
    **{name: ((name,), _as_given) for name in ("trial_epochs", "compare")},
    "tune": (("tune",), read_names),
    "budget": (("budget_seconds",), _in_seconds),
    "architecture": (("architecture",), read_named),
    "optimizer": (("optimizer", "name"), _as_given),
    "momentum": (("optimizer", "momentum"), _as_given),
    "weight_decay": (("optimizer", "weight_decay"), read_value),
    "policy": (("schedule", "policy"), _as_given),
    "shape": (("schedule", "shape"), _as_given),
    "max_lr": (("schedule", "max_lr"), read_value),
    "early_stopping": (("early_stopping", "patience"), _as_given),
    "validation": (("validation",), read_value),
    "augmentation": (("augmentation",), read_augmentation),
    "weights": (("pretrained",), _as_given),
    **RUNNING,
}
# Of a schedule that is looked at without training.
SCHEDULE: Places = {name: OPTIONS[name] for name in ("policy", "shape", "max_lr")}
PREVIEWING: Places = {**SCHEDULE, "steps": OPTIONS["steps"], "max_points": (("max_points",), _as_given)}
