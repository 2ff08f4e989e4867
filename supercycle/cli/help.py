"""What `--help` says of options: words of people instead of Python's types, and panels of commands."""

from typing import Any

SUBMIT = "Submit"
FOLLOW = "Follow and steer jobs"
DATA = "Data sets, models, networks, schedules, webhooks"
OPERATE = "Operate a service"

WORDS = {"int": "NUMBER", "int range": "NUMBER", "float": "NUMBER", "str": "TEXT", "list[str]": "TEXT"}


def polish(command: Any) -> None:  # noqa: ANN401 - typer brings its own copy of click's types
    """Name what each option takes, unless it says so itself: nothing for a flag, else a word; in subcommands, too."""
    context = command.context_class(command, info_name=command.name)
    for parameter in command.get_params(context):
        if parameter.metavar is None:
            parameter.metavar = _takes(parameter, context)
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = _nothing  # it stands beside the name, which says more
    for subcommand in getattr(command, "commands", {}).values():
        polish(subcommand)


def _takes(parameter: Any, context: Any) -> str:  # noqa: ANN401
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    if parameter.is_flag:
        return ""
    python_type = str(parameter.display_type(context)).strip("<>")
    return WORDS.get(python_type, python_type.upper())


def _nothing(ctx: Any) -> str:  # noqa: ANN401, ARG001 - stands in for a method of typer's
    return ""
