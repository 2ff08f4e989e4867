"""The tables of a comparison: one of arms for people, one of trainings for programs."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.specs.comparison import BASELINE
from worker.reports.comparison import Comparison

NONE = "–"
#: Headings, and below what each shows of an arm.
ACCURACIES = (
    "arm", "policy", "epochs", "max_lr", "trainings", "test, %", "best validation, %", "final validation, %",
    "minus baseline, points",
)  # fmt: skip
COSTS = (
    "arm", "epochs", "steps", "seconds", "search, steps", "reach baseline's accuracy", "epochs to it", "steps to it",
    "seconds to it", "pairs that reach it", "speed-up, epochs", "speed-up, seconds", "with search",
    "cost ratio, seconds",
)  # fmt: skip
COLUMNS = (
    "arm", "seed", "state", "job_id", "reused_from", "max_lr", "epochs", "steps", "seconds", "search_steps",
    "search_seconds", "test_accuracy", "best_validation_accuracy", "final_validation_accuracy", "error",
)  # fmt: skip


def accuracy_rows(comparison: Comparison, result: Mapping[str, Any]) -> list[list[str]]:
    """A row for each arm, in words."""
    return [_accuracies(name, arm, comparison) for name, arm in result["arms"].items()]


def _accuracies(name: str, arm: Mapping[str, Any], comparison: Comparison) -> list[str]:
    difference = comparison.difference(name, BASELINE)
    return [
        name,
        arm["policy"],
        str(arm["epochs"]),
        ", ".join(f"{rate:.3g}" for rate in arm["max_lr"]) or NONE,
        str(len(arm["jobs"])),
        *(estimate_text(arm[f"{one}_accuracy"], scale=100) for one in ("test", "best_validation", "final_validation")),
        NONE if name == BASELINE or difference is None else estimate_text(difference.as_dict(), sign="+"),
    ]


def cost_rows(result: Mapping[str, Any]) -> list[list[str]]:
    """A row for each arm, in words."""
    return [_costs(name, arm) for name, arm in result["arms"].items()]


def _costs(name: str, arm: Mapping[str, Any]) -> list[str]:
    ratio = arm["cost_ratio"]
    return [
        name,
        str(arm["epochs"]),
        NONE if arm["steps"] is None else f"{arm['steps']:,}",
        estimate_text(arm["seconds"], digits=1),
        f"{arm['search']['steps']:,}",
        *_reaching(arm["to_baseline"]),
        *_speed_up(arm["speed_up"]),
        NONE if ratio is None else f"{ratio['seconds']:.2f}",
    ]


def estimate_text(found: Mapping[str, Any] | None, *, scale: float = 1, digits: int = 2, sign: str = "") -> str:
    """A mean with its interval."""
    if found is None:
        return NONE
    mean = f"{scale * found['mean']:{sign}.{digits}f}"
    if found["interval"] is None:
        return mean
    low, high = (f"{scale * bound:{sign}.{digits}f}" for bound in found["interval"])
    return f"{mean} ({low} to {high})"


def _reaching(found: Mapping[str, Any] | None) -> list[str]:
    """How many trainings came to the baseline's accuracy, and the epochs, steps and seconds that took them."""
    if found is None or not found["of"]:
        return [NONE] * 4
    counted = f"{found['reached']} of {found['of']}"
    if not found["reached"]:
        return [counted, *[NONE] * 3]
    return [counted, f"{found['epochs']:.1f}", f"{found['steps']:,.0f}", f"{found['seconds']:.1f}"]


def _speed_up(found: Mapping[str, Any] | None) -> list[str]:
    """On how many pairs of seeds both came to the baseline's accuracy, and how much sooner the arm did."""
    if found is None:
        return [NONE] * 4
    counted = f"{found['reached']} of {found['of']}"
    figures = (found[unit] for unit in ("epochs", "seconds", "seconds_with_search"))
    return [counted, *(NONE if one is None else f"{one:.2f}" for one in figures)]


def as_csv(comparison: Comparison) -> str:
    """A row for each training, those that failed as well; accuracies are shares."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for run in sorted(comparison.runs, key=lambda run: (comparison.names.index(run.arm), run.seed)):
        figures = (run.max_lr, run.epochs, run.steps, run.seconds, run.search_steps, run.search_seconds)
        accuracies = (run.test, run.best, run.final)
        table.writerow([run.arm, run.seed, "succeeded", run.job_id, run.reused_from, *figures, *accuracies, None])
    for failure in comparison.failures:
        blank: Sequence[None] = [None] * (len(COLUMNS) - 5)
        table.writerow([failure.arm, failure.seed, failure.state, failure.job_id, *blank, failure.code])
    return text.getvalue()
