"""Makes the report of a tuning: what was decided, on which evidence, at which cost."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.domain.batch_norm import Comparison
from app.domain.landmarks import smooth_losses
from app.domain.lifecycle import JobState
from app.domain.plans.family import Child
from app.domain.plans.tuning.plan import Standing, TuningPlan
from app.domain.plans.tuning.stage import Decision, value_text
from app.domain.specs.tuning import TuningSpec
from worker.plots.batch_norm import plot_batch_norm
from worker.plots.noise_scale import plot_noise_scale
from worker.plots.tuning import NamedSweep, Point, plot_points, plot_sweeps
from worker.reports.documents import Page, Picture, Table, write_pages

NOTES = (
    "Every choice is made on validation images; the test split is not looked at.",
    "Losses are those at the end of short trainings; losses within 2 % of the smallest count as good as it, of momenta "
    "within 5 %.",
    "The learning rate is left to the training, which picks it again with all of these values.",
)


def report_tuning(plan: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write all files into the folder; returns the plan's result with their names as `files`."""
    spec, records = TuningSpec.model_validate(plan["spec"]), plan["children"]
    children = {record["key"]: child_of(record) for record in records}
    standing = TuningPlan(spec).standing(plan["resolved"], children, _nothing)
    result = _result(standing, records)
    title = plan["name"] or f"{spec.architecture.name} on {spec.dataset.label}"
    pictures = list(_draw(standing, plan, folder, title=title))
    files = [file for picture in pictures for file in (picture.path, picture.path.with_suffix(".svg"))]
    files += write_pages(_page(standing, result, pictures, title=title, plan=plan), folder)
    files += _write_data(result, records, folder)
    return result | {"files": [file.name for file in files]}


def child_of(record: Mapping[str, Any]) -> Child:
    """A job as its plan sees it."""
    names = ("key", "id", "spec", "resolved", "result", "seconds")
    return Child(state=JobState(record["state"]), **{name: record[name] for name in names})


def _nothing(*_: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401
    """A report proposes no further trials."""
    return []


def _result(standing: Standing, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "training": standing.training.model_dump(mode="json"),
        "values": {path: value for decision in standing.decisions for path, value in decision.values.items()},
        "decisions": [_described(decision, records) for decision in standing.decisions],
        "cost": _cost(records),
        "seconds_per_epoch": _seconds_per_epoch(standing, records),
    }


def _described(decision: Decision, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mine = _records_of(decision, records)
    return {"stage": decision.stage, "values": dict(decision.values), "reason": decision.reason,
            "is_cut_short": decision.is_cut_short, "evidence": list(decision.evidence),
            "cost": _cost(mine)}  # fmt: skip


def _records_of(decision: Decision, records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The jobs of its stage."""
    return [record for record in records if record["key"].startswith(f"{decision.stage}/")]


def _cost(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Steps are those of searches as well; what was taken over has cost nothing here."""
    ran = [record for record in records if "reused" not in record["resolved"]]
    steps = sum(record["steps"] + (record["result"] or {}).get("search_steps", 0) for record in ran)
    return {
        "jobs": len(records),
        "reused": len(records) - len(ran),
        "failed": sum(record["state"] != "succeeded" for record in records),
        "steps": steps,
        "seconds": sum(record["seconds"] for record in ran),
    }


def _seconds_per_epoch(standing: Standing, records: Sequence[Mapping[str, Any]]) -> float | None:
    """Of the last short training with the batch size that was chosen."""
    size = standing.training.batch_size
    found = [
        record["result"]["seconds"] / record["result"]["epochs_run"]
        for record in records
        if record["kind"] == "training" and record["result"] and record["spec"]["batch_size"] == size
    ]
    return found[-1] if found else None


def _draw(standing: Standing, plan: Mapping[str, Any], folder: Path, *, title: str) -> Iterator[Picture]:
    for decision in standing.decisions:
        mine = _records_of(decision, plan["children"])
        yield from _draw_sweeps(decision, mine, folder, title=title)
        yield from _draw_noise_scale(decision, folder, title=title)
        gaps = next((record["result"]["batch_norm"] for record in mine if _has_gaps(record)), None)
        if gaps is None:
            yield from _draw_points(decision, folder, title=title)
        else:
            about: dict[str, Any] = {"path_stem": folder / "batch_norm", "title": f"Batch-norm momentum: {title}"}
            yield Picture(plot_batch_norm(Comparison.of(gaps), **about)[0], "Gaps to exact batch-norm statistics")


def _has_gaps(record: Mapping[str, Any]) -> bool:
    return bool(record["key"].startswith("batch_norm_momentum/") and (record["result"] or {}).get("batch_norm"))


def _draw_sweeps(
    decision: Decision, records: Sequence[Mapping[str, Any]], folder: Path, *, title: str
) -> Iterator[Picture]:
    """All on one axis."""
    sweeps = [_sweep(record) for record in records if record["key"].startswith(f"{decision.stage}/sweep/")]
    drawn = [one for one in sweeps if one is not None]
    words = _words(decision)
    if drawn:
        files = plot_sweeps(drawn, path_stem=folder / f"sweeps_{decision.stage}", title=f"Sweeps, {words}: {title}")
        yield Picture(files[0], f"A sweep for each {words}")


def _draw_noise_scale(decision: Decision, folder: Path, *, title: str) -> Iterator[Picture]:
    """Where it was measured."""
    for row in (row for row in decision.evidence if "noise_scale" in row):
        about: dict[str, Any] = {"path_stem": folder / "noise_scale", "title": f"Recommended batch size: {title}"}
        files = plot_noise_scale(row["noise_scale"], chosen=row["value"], **about)
        yield Picture(files[0], "The gradient noise scale, and the batch size that it recommends")


def _draw_points(decision: Decision, folder: Path, *, title: str) -> Iterator[Picture]:
    """What short trainings ended with."""
    tried = [row for row in decision.evidence if "validation_loss" in row]
    points = [_point(row, decision, place) for place, row in enumerate(tried)]
    words = _words(decision)
    if points:
        stem = folder / f"tuning_{decision.stage}"
        files = plot_points(points, what=words, path_stem=stem, title=f"Short trainings, {words}: {title}")
        yield Picture(files[0], f"Short trainings by {words}")


def _words(decision: Decision) -> str:
    return decision.stage.replace("_", " ")


def _sweep(record: Mapping[str, Any]) -> NamedSweep | None:
    """Of the loss that it was read off."""
    if record["state"] != "succeeded":
        return None
    curve = record["sweep"]
    rates, looked = curve["learning_rate"], curve.get("held_out_loss")
    losses = curve["smoothed_loss"] if looked is None else smooth_losses(rates, np.array(looked, dtype=np.float64))
    return NamedSweep(record["key"].rpartition("/")[2], *(np.array(one, dtype=np.float64) for one in (rates, losses)))


def _point(row: Mapping[str, Any], decision: Decision, place: int) -> Point:
    value = row["value"]
    is_chosen = value == decision.values or value in decision.values.values() if decision.values else False
    name = str(place) if isinstance(value, Mapping) else value_text(value)
    return Point(name, row["validation_loss"], is_chosen)


def _page(
    standing: Standing, result: Mapping[str, Any], pictures: Sequence[Picture], *, title: str, plan: Mapping[str, Any]
) -> Page:
    cost = result["cost"]
    told = f"{cost['jobs']} jobs, {cost['steps']:,} optimizer steps, {cost['seconds']:.0f} s"
    rows = [
        (one["stage"], _told(one["values"]) or "as it was", one["reason"],
         f"{one['cost']['jobs']} jobs, {one['cost']['seconds']:.0f} s")
        for one in result["decisions"]
    ]  # fmt: skip
    failures = [
        f"{record['key']}: {record['error']['detail']} ({record['error']['code']})"
        for record in plan["children"]
        if record["error"]
    ]
    return Page(
        title=f"Tuning: {title}",
        lead=_lead(standing, result["values"], budget=plan["spec"]["budget_seconds"]),
        facts={"cost": told, "of which taken over": cost["reused"], "job": plan["id"]},
        tables=[
            Table(("what", "chosen", "why", "cost"), rows, "Decisions"),
            *(_evidence(decision) for decision in standing.decisions if decision.evidence),
        ],
        pictures=pictures,
        failures=failures,
        notes=NOTES,
    )


def _lead(standing: Standing, values: Mapping[str, Any], *, budget: float | None) -> str:
    """What was chosen, and what the budget was too small for."""
    lacking = [_words(decision) for decision in standing.decisions if decision.is_cut_short]
    cut = f" The budget of {budget:g} s did not suffice to try all of: {', '.join(lacking)}." if lacking else ""
    if values:
        return f"Chosen: {_told(values)}.{cut}"
    return f"Nothing was chosen.{cut}" if cut else "Nothing turned out to be better than what was given."


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path} = {value_text(value)}" for path, value in values.items())


def _evidence(decision: Decision) -> Table:
    names = list(dict.fromkeys(name for row in decision.evidence for name in row))
    rows = [[value_text(row.get(name, "–")) for name in names] for row in decision.evidence]
    return Table([name.replace("_", " ") for name in names], rows, f"Evidence: {_words(decision)}")


def _write_data(result: Mapping[str, Any], records: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    whole, spec, table = (folder / name for name in ("report.json", "training.json", "report.csv"))
    whole.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    spec.write_text(json.dumps(result["training"], indent=1) + "\n", "utf-8")
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("key", "job_id", "kind", "state", "seconds", "steps", "validation_loss", "validation_accuracy"))
        for record in records:
            last = (record["result"] or {}).get("last", {})
            facts = [record[name] for name in ("key", "id", "kind", "state", "seconds", "steps")]
            rows.writerow([*facts, last.get("validation_loss"), last.get("validation_accuracy")])
    return [whole, spec, table]
