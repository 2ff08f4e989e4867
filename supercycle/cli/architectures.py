"""The command on architectures: which networks there are, and all there is to know of one."""

from typing import Annotated

import typer

from supercycle.cli.help import DATA
from supercycle.cli.options import AsJson, connect, refuse_empty
from supercycle.cli.output import cell_text, print_aligned, print_facts, print_json, print_table, say
from supercycle.transport import Json

COLUMNS = ("name", "family", "parameters", "image size", "pretrained")
CUSTOM = "custom"


def architectures(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", callback=refuse_empty, help="Show this one, with its options.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the networks that can be trained, or show one."""
    client = connect(context)
    found = client.architectures() if name is None else client.architecture(name)
    if as_json:
        print_json(found)
    elif isinstance(found, list):
        print_table(COLUMNS, [_row(one) for one in found])
    else:
        _print_whole(found)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(rich_help_panel=DATA)(architectures)


def _row(one: Json) -> list[object]:
    return [one["name"], one["family"], _count(one["parameters"]), one["image_size"], bool(one["weights"])]


def _print_whole(one: Json) -> None:
    print_facts(
        [
            *((name, one[name]) for name in ("name", "family", "description")),
            ("paper", one["paper"] and f"https://arxiv.org/abs/{one['paper']}"),
            ("parameters", one["parameters"] and _count(one["parameters"])),
            ("image size", _sides(one)),
            ("images", "colour; grey ones are repeated over three channels" if one["channels"] == 3 else None),
            ("weights", one["weights"]),
        ]
    )
    _print_part("options", [_described(name, option) for name, option in one["options"].items()])
    _print_part("limits", [[name, _count(limit)] for name, limit in one.get("limits", {}).items()])
    _print_part("layers", [row for name, layer in one.get("layers", {}).items() for row in _layer_rows(name, layer)])
    say(f"\n{_how_to_train(one)}")


def _print_part(heading: str, rows: list[list[str]]) -> None:
    if rows:
        say(f"\n{heading}")
        print_aligned([[f"  {name}", text] for name, text in rows])


def _layer_rows(name: str, layer: Json) -> list[list[str]]:
    fields = [_described(field, fact) for field, fact in layer["fields"].items()]
    return [[name, cell_text(layer["description"])], *([f"  {field}", text] for field, text in fields)]


def _described(name: str, fact: Json) -> list[str]:
    """An option or a field of a layer: what it takes, what it is without being given, what it is for."""
    bounds = "" if fact["min"] is None else f" from {fact['min']} to {fact['max']}"
    step = f" in steps of {fact['step']}" if fact.get("step", 1) > 1 else ""
    takes = f"{fact.get('takes', 'a whole number')}{bounds}{step}{_without(fact)}"
    return [name, cell_text(f"{takes}. {fact['description']}")]


def _without(fact: Json) -> str:
    if fact.get("required"):
        return ", must be given"
    default = fact["default"]
    if default in (None, []):
        return ", may be left out"
    return f", default {str(default).lower() if isinstance(default, bool) else default}"


def _sides(one: Json) -> str | None:
    """The side it was drawn for and those it takes; of custom layers nobody knows."""
    if one["image_size"] is None:
        return None
    steps = f", in steps of {one['granularity']} px" if one["granularity"] > 1 else ""
    return f"{one['image_size']} px; takes {one['min_image_size']} px and more{steps}"


def _how_to_train(one: Json) -> str:
    """The next command; options stand in it as they are typed."""
    if one["name"] == CUSTOM:
        return "write its layers into a spec and train it with: supercycle train --spec FILE.json"
    options = ",".join(f"{name}={option['default']}" for name, option in one["options"].items())
    given = f"{one['name']}:{options}" if options else one["name"]
    command = f"train it with: supercycle train --dataset DATASET --architecture {given}"
    return f"{command}\nstart from its published weights with: --pretrained" if one["weights"] else command


def _count(number: int | None) -> str:
    """A number of parameters as papers give it: 0.27 M."""
    if number is None:
        return cell_text(None)
    return f"{number / 1e6:.3g} M" if number >= 10_000 else str(number)
