"""The page on the client names all there is to call and to catch."""

import re
from pathlib import Path

import pytest

import supercycle
from supercycle import Client, Job, SupercycleError

PAGE = (Path(supercycle.__file__).parents[1] / "docs" / "reference" / "client.md").read_text("utf-8")


@pytest.mark.parametrize("owner", [Client, Job])
def test_every_public_name_stands_there(owner):
    section = PAGE.split(f"## `{owner.__name__}`")[1].split("\n## ")[0]
    written = set(re.findall(r"\b[a-z_]+", section))
    names = {name for name in dir(owner) if not name.startswith("_")}  # also what it has from its base classes
    assert names - written <= {"url", "close", "path"}  # of little use to a program


def test_every_exported_error_stands_there():
    exported = [getattr(supercycle, name) for name in supercycle.__all__]
    errors = [one.__name__ for one in exported if isinstance(one, type) and issubclass(one, SupercycleError)]
    assert [name for name in errors if name not in PAGE.split("## Errors")[1]] == []


def test_the_example_is_python():
    compile(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], "client.md", "exec")
