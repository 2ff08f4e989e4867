"""The page of settings names every variable there is, says of each what `Settings` says, and who reads it."""

import ast
import re
from pathlib import Path

import pytest

from app import settings_reference
from app.config import Settings
from app.settings_reference import PAGE, READ_BY

ROOT = Path(__file__).parents[2]
TEXT = PAGE.read_text("utf-8")

# What a derived value is made of.
DERIVED = {
    "lease": ["lease_seconds"],
    "database": ["database_url", "data_dir"],
    "broker": ["broker_url"],
    "storage": ["storage_url", "data_dir"],
    "folder": ["data_dir"],
    "has_no_database_yet": ["database_url", "data_dir"],
}
EVERYWHERE = ("app/queue.py", "app/wakes.py", "app/db/", "app/artifacts/")  #: inner parts, which all processes use
SHARED = {
    "app/datasets/quotas.py": {"api", "keeper"},  #: one looks before an upload, the other when it is unpacked
    "worker/keeper/collector.py": {"keeper", "worker"},  #: each looks through its own data folder
}


def part_of(path):
    """The processes that a module belongs to."""
    if path.startswith(EVERYWHERE):
        return {"api", "keeper", "worker"}
    if path in SHARED:
        return SHARED[path]
    if path.startswith("worker/keeper/"):
        return {"keeper"}
    return {path.partition("/")[0].replace("app", "api")}


def read_in(path):
    """The settings that a module takes from `settings.NAME`."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings"):
            yield from DERIVED.get(node.attr, [node.attr])


class TestTable:
    def test_is_the_generators(self):
        assert settings_reference.render() == TEXT, "run: make reference"

    def test_it_has_every_setting(self):
        table = TEXT.split("<!-- generated: settings -->")[1].split("<!-- end -->")[0]
        listed = re.findall(r"^\| `SUPERCYCLE_(\w+)` \|", table, re.MULTILINE)
        assert [name.lower() for name in listed] == [*Settings.model_fields]

    @pytest.mark.parametrize("name", Settings.model_fields)
    def test_every_setting_says_what_it_is_for(self, name):
        assert Settings.model_fields[name].description

    def test_who_reads_it_is_in_the_code(self):
        readers = {name: set() for name in Settings.model_fields}
        for room in ("app", "worker"):
            for path in (ROOT / room).rglob("*.py"):
                for name in read_in(str(path.relative_to(ROOT))):
                    if name in readers:
                        readers[name] |= part_of(str(path.relative_to(ROOT)))
        assert readers == {name: set(parts) for name, parts in READ_BY.items()}

    @pytest.mark.parametrize(
        ("row", "because"),
        [
            ("`SUPERCYCLE_LEASE_SECONDS` | seconds, above 0 | `30` |", "gt=0, 30.0"),
            ("`SUPERCYCLE_DISK_FLOOR_BYTES` | bytes, from 0 | `268435456` (256 MiB) |", "ge=0, 256 << 20"),
            ("`SUPERCYCLE_MAX_UPLOAD_BYTES` | bytes, above 0 | `8589934592` (8 GiB) |", "gt=0, 8 << 30"),
            ("`SUPERCYCLE_MAX_WAITING_PER_OWNER` | a whole number, above 0 | none |", "int | None"),
            ("`SUPERCYCLE_WEBHOOK_PRIVATE_HOSTS` | `true` or `false` | `false` |", "bool"),
        ],
    )
    def test_it_says_what_a_setting_takes(self, row, because):
        assert f"| {row}" in TEXT, because


def variables(text):
    return set(re.findall(r"\bSUPERCYCLE_[A-Z_]*[A-Z]\b", text))


class TestVariables:
    def test_they_are_those_in_use(self):
        rooms = [ROOT / room for room in ("app", "worker", "supercycle", "benchmarks", "docs")]
        papers = [path for room in rooms for path in room.rglob("*") if path.suffix in (".py", ".md") and path != PAGE]
        furniture = [*ROOT.glob("*.md"), *ROOT.glob("docker-compose*.yml"), ROOT / "Dockerfile", ROOT / "Makefile"]
        used = {name for path in papers + furniture for name in variables(path.read_text("utf-8"))}
        assert used | {f"SUPERCYCLE_{name.upper()}" for name in Settings.model_fields} == variables(TEXT)
