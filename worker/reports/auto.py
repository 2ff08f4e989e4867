"""Makes the report of an automatic run: what was chosen, what it came to, and where the rest stands."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from worker.plots.training import EpochCurve, plot_accuracy
from worker.reports.documents import Page, Picture, Table, write_pages

NOTES = (
    "Every choice was made on validation images. The test split was opened once, at the end of the training, and by "
    "each training of a comparison at its own end.",
    "The tuning and the comparison have reports of their own, among the files of their jobs.",
)


def report_auto(plan: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write all files into the folder; returns the plan's result with their names as `files`."""
    jobs = {record["key"]: record for record in plan["children"]}
    result = _result(jobs)
    title = plan["name"] or f"{plan['spec']['architecture']['name']} on {plan['spec']['dataset']['name'] or 'data'}"
    pictures = _draw(jobs, folder, title=title)
    files = [file for picture in pictures for file in (picture.path, picture.path.with_suffix(".svg"))]
    files += write_pages(_page(plan, jobs, result, pictures, title=title), folder)
    whole = folder / "report.json"
    whole.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return result | {"files": [file.name for file in [*files, whole]]}


def _result(jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    trained, tuned, compared = (jobs.get(key) for key in ("training", "tuning", "comparison"))
    found = (trained or {}).get("result") or {}
    return {
        "jobs": {key: record["id"] for key, record in jobs.items()},
        "model_id": (trained or {}).get("model_id"),
        "training": (trained or {}).get("spec"),
        "chosen": ((tuned or {}).get("result") or {}).get("values", {}),
        "best": found.get("best"),
        "test_accuracy": found.get("test_accuracy"),
        "epochs_run": found.get("epochs_run"),
        "seconds": {key: record["seconds"] for key, record in jobs.items()},
        "verdict": ((compared or {}).get("result") or {}).get("verdict"),
    }


def _draw(jobs: Mapping[str, Mapping[str, Any]], folder: Path, *, title: str) -> list[Picture]:
    trained = jobs.get("training")
    epochs = trained["epochs"] if trained else {}
    if not epochs.get("epoch"):
        return []
    curve = EpochCurve(epochs["epoch"], epochs["train_accuracy"], epochs["validation_accuracy"])
    found = (trained or {}).get("result")
    best = found["best"]["epoch"] if found else None
    files = plot_accuracy(curve, best_epoch=best, path_stem=folder / "accuracy", title=f"Accuracy: {title}")
    return [Picture(files[0], "Accuracy of the training")]


def _page(
    plan: Mapping[str, Any],
    jobs: Mapping[str, Mapping[str, Any]],
    result: Mapping[str, Any],
    pictures: list[Picture],
    *,
    title: str,
) -> Page:
    rows = [(key, record["id"], record["state"], f"{record['seconds']:.0f}") for key, record in jobs.items()]
    chosen = [[path, json.dumps(value)] for path, value in result["chosen"].items()]
    failures = [f"{key}: {record['error']['detail']}" for key, record in jobs.items() if record["error"]]
    return Page(
        title=f"Automatic run: {title}",
        lead=_lead(result),
        facts={
            "epochs": result["epochs_run"],
            "model": result["model_id"],
            "budget, s": plan["spec"]["budget_seconds"],
        },
        tables=[
            *([Table(("field", "value"), chosen, "Chosen by the tuning")] if chosen else []),
            Table(("what", "job", "state", "seconds"), rows, "Jobs"),
        ],
        pictures=pictures,
        failures=failures,
        notes=(*NOTES, *_of_the_comparison(jobs, result["chosen"])),
    )


def _of_the_comparison(jobs: Mapping[str, Any], chosen: Mapping[str, Any]) -> Iterator[str]:
    """What tuning has given its arms, and not been counted for."""
    if not {"tuning", "comparison"} <= jobs.keys():
        return
    shared = [path for path in chosen if not path.startswith("schedule.")]
    told = "What the tuning has cost is not in the comparison's speed-up with search."
    if shared:
        told += f" All arms have what was tuned with the schedule of one_cycle alone: {', '.join(shared)}."
    if "schedule.max_momentum" in chosen:
        told += " Its one_cycle has the momenta that were tuned, its baseline and controls those of the optimizer."
    yield told


def _lead(result: Mapping[str, Any]) -> str:
    if result["best"] is None:
        return "The training did not succeed; what failed stands below."
    told = f"Validation accuracy {result['best']['validation_accuracy']:.2%} after epoch {result['best']['epoch']}"
    if result["test_accuracy"] is not None:
        told += f", test accuracy {result['test_accuracy']:.2%}"
    verdict = result["verdict"]
    return f"{told}." + (f" {verdict['reason']}" if verdict else "")
