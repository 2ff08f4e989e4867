"""Whether trainings that are compared were computed alike."""

from collections.abc import Mapping, Sequence

from app.domain.plans.family import COMPUTATION
from app.domain.specs import TrainingSpec
from worker.reports.runs import Run


def unlike(runs: Sequence[Run], arms: Mapping[str, TrainingSpec]) -> list[str]:
    """What differs between trainings whose arms leave it to the service, in words."""
    told = []
    for field in COMPUTATION:
        left = [run for run in runs if getattr(arms[run.arm], field) == "auto" and field in run.computation]
        values = sorted({run.computation[field] for run in left})
        if len(values) > 1:
            found = "; ".join(f"{value} in {_places(left, field, value, list(arms))}" for value in values)
            told.append(f"{field} differs, which no arm asked for: {found}. A difference may be due to that; give one.")
    return told


def _places(runs: Sequence[Run], field: str, value: str, names: Sequence[str]) -> str:
    """Arms with that value, and the seeds of those in which not all have it."""
    places = []
    for name in names:
        mine = [run for run in runs if run.arm == name]
        seeds = sorted(run.seed for run in mine if run.computation[field] == value)
        if seeds:
            several = f" ({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))})"
            places.append(name if len(seeds) == len(mine) else name + several)
    return ", ".join(places)
