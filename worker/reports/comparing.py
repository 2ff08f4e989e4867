"""Makes the report of a comparison: figures, pictures, pages."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.domain.schedules import build_schedule
from app.domain.specs import ComparisonSpec
from app.domain.specs.comparison import BASELINE
from worker.plots.comparison import (
    ArmCurves,
    ArmRates,
    Distance,
    plot_accuracies,
    plot_rates,
    plot_seconds,
    plot_verdict,
)
from worker.reports.comparison import Comparison
from worker.reports.documents import Page, Picture, Table, write_pages
from worker.reports.tables import ACCURACIES, COSTS, accuracy_rows, as_csv, cost_rows

MOST_RATES = 400  #: points of a schedule that are drawn
WORDS = {"met": "met", "not_met": "not met", "inconclusive": "inconclusive"}
NOTES = (
    "Every arm trains the same network on the same data with the same seeds; differences are taken seed by seed.",
    "Intervals are 95 %, by Student's t over the seeds. The goal is met where the whole interval lies above the "
    "margin, not met where all of it lies below, and inconclusive otherwise.",
    "Each arm's max_lr was searched with the first seed, for as many optimizer steps at most as every other arm's, "
    "unless it was given. With search, that is counted to the cost of one training.",
    "Speed-up is what the baseline took to its own accuracy over what the arm took to it, on the seeds on which both "
    "reach it, which are counted beside it. The cost ratio is of whole trainings, whatever they reach: about 1 over "
    "the share of the epochs.",
    "The best control is picked by validation accuracy, and compared by the measure above.",
    "Bands reach from the worst seed to the best. The dotted line is the baseline's accuracy on validation images, the "
    "mean of its best epochs as they were scored when they ended, before exact_batch_norm or batch_norm_momentum auto "
    "change the statistics of the best weights; epochs, steps and seconds to it are means of the trainings that reach "
    "it.",
)


def report_comparison(plan: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write all files into the folder; returns the plan's result with their names as `files`."""
    spec = ComparisonSpec.model_validate(plan["spec"])
    comparison = Comparison.of(spec, plan["children"])
    result = comparison.result()
    title = plan["name"] or f"{spec.architecture.name} on {spec.dataset.label}"
    pictures = _draw(comparison, result, folder, title=title)
    files = [file for picture in pictures for file in (picture.path, picture.path.with_suffix(".svg"))]
    files += write_pages(_page(comparison, result, pictures, title=title, plan=plan), folder)
    files += _write_data(comparison, result, folder)
    return result | {"files": [file.name for file in files]}


def _write_data(comparison: Comparison, result: Mapping[str, Any], folder: Path) -> list[Path]:
    table, whole = folder / "report.csv", folder / "report.json"
    table.write_text(as_csv(comparison), "utf-8")
    curves = [
        {"arm": run.arm, "seed": run.seed, "validation_accuracy": list(run.accuracy), "seconds": list(run.clock)}
        for run in comparison.runs
    ]
    whole.write_text(json.dumps({**result, "curves": curves}, indent=1) + "\n", "utf-8")
    return [table, whole]


def _draw(comparison: Comparison, result: Mapping[str, Any], folder: Path, *, title: str) -> list[Picture]:
    curves = [_curves(comparison, name) for name in comparison.names if comparison.of_arm(name)]
    shared: dict[str, Any] = {"target": comparison.target}
    drawn = [
        (plot_verdict, (_distances(comparison),), "verdict", "Verdict",
         {"margin": comparison.spec.margin, "note": _verdict_words(result)}, "How far each arm is from the baseline"),
        (plot_accuracies, (curves,), "comparison", "Accuracy by epoch", shared, "Validation accuracy over epochs"),
        (plot_seconds, (curves,), "comparison_seconds", "Accuracy by time", shared, "Validation accuracy over seconds"),
        (plot_rates, (_rates(comparison),), "learning_rate", "Learning rates", {}, "The learning rate of every arm"),
    ]  # fmt: skip
    pictures = []
    for plot, data, name, about, options, caption in drawn:
        files = plot(*data, path_stem=folder / name, title=f"{about}: {title}", **options)  # type: ignore[operator]
        pictures.append(Picture(files[0], caption))
    return pictures


def _curves(comparison: Comparison, name: str) -> ArmCurves:
    """Of trainings that stopped early as far as all of them came."""
    runs = comparison.of_arm(name)
    shortest = min(len(run.accuracy) for run in runs)
    accuracy, clock = ([getattr(run, what)[:shortest] for run in runs] for what in ("accuracy", "clock"))
    return ArmCurves(name, np.array(accuracy, dtype=np.float64), np.array(clock, dtype=np.float64))


def _rates(comparison: Comparison) -> list[ArmRates]:
    arms, found = comparison.arms, []
    for name in comparison.names:
        run = next(iter(comparison.of_arm(name)), None)
        if run is None:
            continue
        schedule, per_epoch = build_schedule(arms[name].schedule, max_lr=run.max_lr), run.steps / run.epochs
        total = round(per_epoch * arms[name].epochs)  # of the schedule; one that stopped early has run fewer
        steps = np.unique(np.linspace(0, run.steps - 1, MOST_RATES).round().astype(int))
        rates = np.array([schedule.at(int(step), total)[0] for step in steps])
        found.append(ArmRates(name, (steps + 1) / per_epoch, rates))
    return found


def _distances(comparison: Comparison) -> list[Distance]:
    found = []
    for name in comparison.names:
        difference = comparison.difference(name, BASELINE)
        if name != BASELINE and difference is not None:
            low, high = difference.low, difference.high
            interval = None if low is None or high is None else (low, high)
            found.append(Distance(name, difference.mean, interval))
    return found


def _verdict_words(result: Mapping[str, Any]) -> str:
    goal = result["verdict"]
    share = f"within {goal['margin']:g} points of the baseline in {goal['fraction']:g} of its epochs"
    return f"The goal, {share}, is {WORDS[goal['verdict']]}."


def _page(comparison: Comparison, result: Mapping[str, Any], pictures: Sequence[Picture], **about: Any) -> Page:  # noqa: ANN401
    return Page(
        title=f"Comparison: {about['title']}",
        lead=f"{_verdict_words(result)} {result['verdict']['reason']}",
        facts=_facts(comparison, result, about["plan"]),
        tables=[
            Table(ACCURACIES, accuracy_rows(comparison, result), "Accuracies"),
            Table(COSTS, cost_rows(result), "Costs", note=_taken_over(comparison)),
        ],
        pictures=pictures,
        warnings=result["warnings"],
        failures=[f"{one.arm}, seed {one.seed}: {one.detail} ({one.code})" for one in comparison.failures],
        notes=NOTES,
    )


def _taken_over(comparison: Comparison) -> str:
    """Which trainings are of earlier jobs, in words; nothing where none is."""
    seeds = {name: [run.seed for run in comparison.of_arm(name) if run.reused_from] for name in comparison.names}
    told = [f"{name} (seeds {', '.join(map(str, found))})" for name, found in seeds.items() if found]
    words = f"Taken over from earlier jobs, which report.csv names: {', '.join(told)}. Their seconds are of other times"
    return f"{words}, when the machine may have been another or have had other work." if told else ""


def _facts(comparison: Comparison, result: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    beside = result["one_cycle_minus_best_control"]
    facts = {
        "data set": comparison.spec.dataset.label,
        "network": comparison.spec.architecture.name,
        "seeds": comparison.spec.seeds,
        "measure": comparison.measure.replace("_", " "),
        "steps of each search": plan["resolved"]["search_steps"]["value"] or "a range test alone",
        "job": plan["id"],
    }
    if beside is not None and beside["difference"] is not None:
        facts["one cycle minus best control"] = f"{_points(beside['difference'])} points ({beside['control']})"
    if result["fewest_epochs"] is not None:
        facts["fewest epochs that hold the goal"] = result["fewest_epochs"]["epochs"]
    return facts


def _points(difference: Mapping[str, Any]) -> str:
    interval = difference["interval"]
    told = f"{difference['mean']:+.2f}"
    return told if interval is None else f"{told} ({interval[0]:+.2f} to {interval[1]:+.2f})"
