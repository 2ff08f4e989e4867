"""What trainings cost beside the baseline's: until they are as good, and as a whole, whatever they came to."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from worker.reports.runs import Cost, Run

UNITS = ("epochs", "steps", "seconds", "steps_with_search", "seconds_with_search")


def search_cost(runs: Sequence[Run]) -> Cost:
    """What finding an arm's learning rate has cost, once for all its seeds."""
    return {"steps": sum(run.search_steps for run in runs), "seconds": sum(run.search_seconds for run in runs)}


def reaching(runs: Sequence[Run], accuracy: float | None) -> dict[str, Any] | None:
    """Epochs, steps and seconds until the validation accuracy is that, on average over those that get there."""
    if accuracy is None:
        return None
    there = [cost for run in runs if (cost := run.cost_to(accuracy)) is not None]
    means = mean_cost(there) if there else dict.fromkeys(("epochs", "steps", "seconds"))
    return {"validation_accuracy": accuracy, "reached": len(there), "of": len(runs), **means}


def speed_up(ours: Sequence[Run], baseline: Sequence[Run], accuracy: float | None) -> dict[str, Any] | None:
    """The baseline's cost until its accuracy over the arm's, on the seeds on which both reach it.

    On all others there is none: what is quick and never gets there is no quicker way to it.
    """
    theirs = {run.seed: run for run in baseline}
    pairs = [(run, theirs[run.seed]) for run in ours if run.seed in theirs]
    if accuracy is None or not pairs:
        return None
    costs = [(run.cost_to(accuracy), other.cost_to(accuracy)) for run, other in pairs]
    there = [(own, other) for own, other in costs if own is not None and other is not None]
    counted = {"reached": len(there), "of": len(pairs)}
    if not there:
        return counted | dict.fromkeys(UNITS)
    own, other = (mean_cost(each) for each in zip(*there, strict=True))
    return counted | _ratios(_with(search_cost(ours), own), _with(search_cost(baseline), other))


def cost_ratio(ours: Sequence[Run], baseline: Sequence[Run]) -> dict[str, float] | None:
    """The baseline's cost of one whole training over the arm's, whatever accuracy they end at."""
    if not ours or not baseline:
        return None
    own, theirs = (_with(search_cost(runs), mean_cost([run.cost for run in runs])) for runs in (ours, baseline))
    return _ratios(own, theirs)


def mean_cost(costs: Sequence[Cost]) -> dict[str, float]:
    """Of several trainings."""
    return {unit: mean(cost[unit] for cost in costs) for unit in ("epochs", "steps", "seconds")}


def _with(search: Cost, cost: Cost) -> Cost:
    """And with the search, for which each arm pays its own."""
    return {**cost, **{f"{unit}_with_search": cost[unit] + search[unit] for unit in search}}


def _ratios(ours: Cost, theirs: Cost) -> dict[str, float]:
    return {unit: theirs[unit] / ours[unit] for unit in UNITS}
