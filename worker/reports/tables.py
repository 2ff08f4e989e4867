"""The tables of a comparison: one of arms for people, one of trainings for programs."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from worker.reports.comparison import Comparison

NONE = "–"
#: Heading, and what it shows of an arm.
HEADINGS = (
    "arm", "policy", "epochs", "max_lr", "accuracy in %", "minus baseline, points", "seconds", "speed-up, epochs",
    "speed-up, seconds", "with search", "epochs to the baseline's accuracy", "search, steps",
)  # fmt: skip
COLUMNS = (
    "arm", "seed", "state", "job_id", "reused_from", "max_lr", "epochs", "steps", "seconds", "search_steps",
    "search_seconds", "test_accuracy", "best_validation_accuracy", "final_validation_accuracy", "error",
)  # fmt: skip


def arm_rows(comparison: Comparison, result: Mapping[str, Any]) -> list[list[str]]:
    """A row for each arm, in words."""
    measure = "test_accuracy" if comparison.measure == "test_accuracy" else "best_validation_accuracy"
    return [_arm_row(name, arm, comparison, measure=measure) for name, arm in result["arms"].items()]


def _arm_row(name: str, arm: Mapping[str, Any], comparison: Comparison, *, measure: str) -> list[str]:
    difference = comparison.difference(name, "baseline")
    speed = arm["speed_up"] or {}
    return [
        name,
        arm["policy"],
        str(arm["epochs"]),
        ", ".join(f"{rate:.3g}" for rate in arm["max_lr"]) or NONE,
        estimate_text(arm[measure], scale=100),
        NONE if name == "baseline" or difference is None else estimate_text(difference.as_dict(), sign="+"),
        estimate_text(arm["seconds"], digits=1),
        *(f"{speed[unit]:.2f}" if speed else NONE for unit in ("epochs", "seconds", "seconds_with_search")),
        _reaching(arm["to_baseline"]),
        f"{arm['search']['steps']:,}",
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


def _reaching(found: Mapping[str, Any] | None) -> str:
    if found is None or not found["of"]:
        return NONE
    return f"{found['epochs']:.1f} ({found['reached']} of {found['of']})" if found["reached"] else "not reached"


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
        table.writerow([failure.arm, failure.seed, "failed", failure.job_id, *blank, failure.code])
    return text.getvalue()
