"""Fills docs/reference/settings.md from `Settings`: `python -m app.settings_reference`. A test compares."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.config import Settings
from app.reference_parts import FOLDER, filled

PAGE = FOLDER / "settings.md"

# A test compares this with the code.
READ_BY: dict[str, tuple[str, ...]] = {
    "data_dir": ("api", "keeper", "worker"),
    "database_url": ("api", "keeper", "worker"),
    "broker_url": ("api", "keeper", "worker"),
    "storage_url": ("api", "keeper", "worker"),
    "api_key": ("api",),
    "lease_seconds": ("keeper", "worker"),
    "heartbeat_seconds": ("api", "worker"),
    "sweep_seconds": ("keeper",),
    "max_running_per_owner": ("worker",),
    "max_waiting_per_owner": ("api",),
    "checkpoint_seconds": ("worker",),
    "disk_floor_bytes": ("api", "keeper", "worker"),
    "dataset_roots": ("api",),
    "max_body_bytes": ("api",),
    "max_upload_bytes": ("api",),
    "max_datasets_per_owner": ("api", "keeper"),
    "max_dataset_bytes_per_owner": ("api", "keeper"),
    "unused_dataset_days": ("api", "keeper"),
    "unused_cache_days": ("keeper", "worker"),
    "webhook_private_hosts": ("api", "keeper"),
}

_TAKES: dict[Any, str] = {
    Path: "a folder",
    list[Path]: "folders, with `:` between them",
    SecretStr | None: "text",
    str: "a URL",
    bool: "`true` or `false`",
}


def render() -> str:
    """The page's text."""
    return filled(PAGE.read_text("utf-8"), {"settings": _table()})


def _table() -> Iterator[str]:
    yield from ("| variable | takes | default | read by | meaning |", "|---|---|---|---|---|")
    for name, field in Settings.model_fields.items():
        parts = "all" if len(READ_BY[name]) == 3 else ", ".join(READ_BY[name])
        cells = (f"`SUPERCYCLE_{name.upper()}`", _takes(name, field), _default(name, field), parts, field.description)
        yield f"| {' | '.join(str(cell) for cell in cells)} |"


def _takes(name: str, field: FieldInfo) -> str:
    if field.annotation in _TAKES:
        return _TAKES[field.annotation]
    noun = next((unit for unit in ("seconds", "bytes", "days") if unit in name.split("_")), "a whole number")
    bounds = [f"above {one.gt}" for one in field.metadata if hasattr(one, "gt")]
    bounds += [f"from {one.ge}" for one in field.metadata if hasattr(one, "ge")]
    return f"{noun}, {bounds[0]}"


def _default(name: str, field: FieldInfo) -> str:
    value = field.default
    if value in (None, "", []):
        return "none"
    if name.endswith("_bytes"):
        return f"`{value}` ({_binary(value)})"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`".replace(".0`", "`")


def _binary(count: int) -> str:
    exponent = (count.bit_length() - 1) // 10
    return f"{count >> 10 * exponent} {('bytes', 'KiB', 'MiB', 'GiB')[exponent]}"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
