"""What a check of the machine finds: that all is well, a warning, or a problem; one line each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from supercycle.cli.output import print_json, say


class Level(StrEnum):
    """How bad it is; only a problem keeps the service from working."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; `advice` where it is not ok."""

    name: str
    level: Level
    detail: str
    advice: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether something has to be done."""
        return self.level is Level.PROBLEM


def ok(name: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(name, Level.OK, detail)


def warning(name: str, detail: str, advice: str) -> Finding:
    """It works, but not as well as it could, or not for long."""
    return Finding(name, Level.WARNING, detail, advice)


def problem(name: str, detail: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(name, Level.PROBLEM, detail, advice)


def tried(name: str, shown: str, action: Callable[[], None], advice: str) -> Finding:
    """Whether `action` succeeds; `shown` names what it asks, without a password."""
    try:
        action()
    except (OSError, ValueError) as error:
        return problem(name, f"{shown}: {error}", advice)
    return ok(name, f"{shown} answers")


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """A line for each, or all of them as JSON."""
    if as_json:
        print_json([vars(finding) for finding in findings])
        return
    for finding in findings:
        text = f"{finding.level:<8} {finding.name}: {finding.detail}"
        say(f"{text.removesuffix('.')}; {finding.advice}" if finding.advice else text)
