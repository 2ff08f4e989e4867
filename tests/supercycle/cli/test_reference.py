"""The page on the command line says what the commands say, and their help is fit to read."""

import re

import pytest
import typer
from typer.testing import CliRunner

from supercycle.cli import reference
from supercycle.cli.app import app

PAGE = reference.PATH.read_text("utf-8")


def commands(command, path=()):
    """Every command with its path, groups left out."""
    below = getattr(command, "commands", None)
    if below is None:
        return {" ".join(path): command}
    return {name: one for key, sub in below.items() for name, one in commands(sub, (*path, key)).items()}


COMMANDS = commands(typer.main.get_command(app))


class TestPage:
    def test_is_the_generators(self):
        assert reference.render() == PAGE, "run: make reference"

    def test_has_every_command_with_its_options(self):
        pattern = r"^### `supercycle ([a-z -]+?)(?: \[?[A-Z][^\n]*)?`\n(.*?)(?=^##|\Z)"
        sections = dict(re.findall(pattern, PAGE, re.M | re.S))
        assert sections.keys() == COMMANDS.keys()
        assert "`--idempotency-key`" in sections["train"]
        assert "`--follow-stdin`" not in sections["serve"]  # hidden
        assert "| `JOB` |  | The job's id, job_… |" in sections["show"]
        assert "[default: 50]" in sections["jobs"]
        assert "Must be given." in sections["schedule preview"]


@pytest.mark.parametrize("name", COMMANDS)
class TestHelp:
    def test_fits_80_columns_and_speaks_no_python(self, name):
        found = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80"})
        assert found.exit_code == 0
        assert max(map(len, found.stdout.splitlines())) <= 80
        assert re.findall(r"<[a-z\[\]]+|\b(?:list\[|Optional|None)\b", found.stdout) == []
        assert "…│" not in found.stdout  # nothing is cut off

    def test_every_option_says_what_it_is_for(self, name):
        silent = [one.name for one in COMMANDS[name].params if not getattr(one, "hidden", False) and not one.help]
        assert silent == []
        assert COMMANDS[name].help
        assert COMMANDS[name].rich_help_panel or " " in name  # those of a group stand together anyway
