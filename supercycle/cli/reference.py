"""Renders docs/reference/cli.md from the commands themselves: the page says what `--help` says.

`python -m supercycle.cli.reference` writes it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from supercycle.cli.app import app
from supercycle.cli.exit_codes import MEANINGS

PATH = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
HEAD = """# Command line

`supercycle` talks to a service over HTTP; a few commands operate one. This page says what `supercycle COMMAND --help`
does; `make reference` writes it.

`SUPERCYCLE_URL` says where the service is, `SUPERCYCLE_API_KEY` holds the key to it; `supercycle --url URL` goes
before the variable. Tables are columns for people on a terminal and tab-separated elsewhere; `--json` prints one JSON
document, also where something fails: `{"error": …}` with the problem's code, fields and hint.

## Exit codes

| code | meaning |
|---|---|
"""


def render() -> str:
    """The page's text."""
    root = typer.main.get_command(app)
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return HEAD + codes + "\n".join(_panels(root)) + "\n"


def _panels(root: Any) -> Iterator[str]:  # noqa: ANN401 - typer brings its own copy of click's types
    """Each panel of commands, in the order of the root's help."""
    commands = {name: command for name, command in root.commands.items() if not command.hidden}
    for panel in dict.fromkeys(command.rich_help_panel or "Commands" for command in commands.values()):
        yield from ("", f"## {panel}")
        for name, command in commands.items():
            if (command.rich_help_panel or "Commands") == panel:
                yield from _command(f"supercycle {name}", command)


def _command(path: str, command: Any) -> Iterator[str]:  # noqa: ANN401
    """One command, or each one of a group."""
    if hasattr(command, "commands"):
        for name, subcommand in command.commands.items():
            yield from _command(f"{path} {name}", subcommand)
        return
    parameters = [one for one in command.params if not getattr(one, "hidden", False)]
    arguments = [one.metavar if one.required else f"[{one.metavar}]" for one in parameters if _is_argument(one)]
    yield from ("", f"### `{' '.join([path, *arguments])}`", "", " ".join(command.help.split()))
    if parameters:
        yield from ("", "| | takes | |", "|---|---|---|")
        yield from (_row(one) for one in parameters)


def _row(parameter: Any) -> str:  # noqa: ANN401
    names = [parameter.metavar] if _is_argument(parameter) else [*parameter.opts, *parameter.secondary_opts]
    takes = "" if _is_argument(parameter) else parameter.metavar
    cells = [", ".join(f"`{name}`" for name in names), f"`{takes}`" if takes else "", _words(parameter)]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _words(parameter: Any) -> str:  # noqa: ANN401
    """Its help, whether it must be given, and its default where the help does not name one."""
    words = [parameter.help or ""]
    if parameter.required and not _is_argument(parameter):
        words.append("Must be given.")
    is_plain = isinstance(parameter.default, (int, float, str)) and not isinstance(parameter.default, bool)
    if is_plain and "[default" not in words[0]:
        words.append(f"[default: {parameter.default}]")
    return " ".join(word for word in words if word)


def _is_argument(parameter: Any) -> bool:  # noqa: ANN401
    return bool(parameter.param_type_name == "argument")


def main() -> None:
    """Write the page."""
    PATH.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
