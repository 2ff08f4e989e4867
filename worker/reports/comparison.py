"""What a comparison has found: each arm's figures, the verdict on the goal, and one cycle beside its best control."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any, Literal

from app.domain.specs import ComparisonSpec, TrainingSpec
from app.domain.specs.comparison import BASELINE, CONTROLS, ONE_CYCLE, arms_of, at_share
from worker.reports.computation import unlike
from worker.reports.intervals import Estimate, estimated
from worker.reports.runs import Failure, Run
from worker.reports.speed import cost_ratio, reaching, search_cost, speed_up

Verdict = Literal["met", "not_met", "inconclusive"]
Measure = Literal["test_accuracy", "validation_accuracy"]


@dataclass(frozen=True)
class Comparison:
    """The trainings of all arms; raises nothing where some, or whole arms, are missing."""

    spec: ComparisonSpec
    runs: Sequence[Run]
    failures: Sequence[Failure]

    @classmethod
    def of(cls, spec: ComparisonSpec, records: Sequence[Mapping[str, Any]]) -> "Comparison":
        """From what the keeper has read of the jobs."""
        succeeded = [record for record in records if record["state"] == "succeeded"]
        others = [record for record in records if record["state"] != "succeeded"]
        return cls(spec, [Run.of(record) for record in succeeded], [Failure.of(record) for record in others])

    @cached_property
    def arms(self) -> dict[str, TrainingSpec]:
        """All of them by name, those that left nothing as well."""
        return arms_of(self.spec)

    @property
    def names(self) -> list[str]:
        """In the order of tables."""
        return list(self.arms)

    def of_arm(self, name: str) -> list[Run]:
        """An arm's trainings by seed."""
        return sorted((run for run in self.runs if run.arm == name), key=lambda run: run.seed)

    @cached_property
    def measure(self) -> Measure:
        """What is compared: the test split's accuracy, or the validation's where there is no test split."""
        return "test_accuracy" if all(run.test is not None for run in self.runs) else "validation_accuracy"

    def measured(self, run: Run) -> float:
        """A training's accuracy by that measure."""
        return run.test if self.measure == "test_accuracy" and run.test is not None else run.best

    def difference(self, name: str, other: str) -> Estimate | None:
        """In percentage points, over the seeds that both have: `name` minus `other`."""
        theirs = {run.seed: self.measured(run) for run in self.of_arm(other)}
        pairs = [(self.measured(run), theirs[run.seed]) for run in self.of_arm(name) if run.seed in theirs]
        return estimated([100 * (ours - other) for ours, other in pairs])

    @cached_property
    def best_control(self) -> str | None:
        """The control with the best validation accuracy: picked by its test accuracy, it would owe that to luck."""
        present = [name for name in CONTROLS if self.of_arm(name)]
        return max(present, key=lambda name: mean(run.best for run in self.of_arm(name)), default=None)

    @cached_property
    def target(self) -> float | None:
        """The baseline's validation accuracy: the mean of its best epochs.

        As they were scored when they ended, which is what is searched for it: `best` may be of other statistics.
        """
        runs = self.of_arm(BASELINE)
        return mean(max(run.accuracy) for run in runs) if runs else None

    def verdict(self, name: str) -> Verdict:
        """Whether an arm is within the margin of the baseline, as far as its interval tells."""
        difference = self.difference(name, BASELINE)
        if difference is None or difference.low is None or difference.high is None:
            return "inconclusive"
        if difference.low >= -self.spec.margin:
            return "inconclusive" if self.lost(name) else "met"
        return "not_met" if difference.high < -self.spec.margin else "inconclusive"

    def lost(self, name: str) -> list[int]:
        """Seeds on which the arm or the baseline failed or was cancelled: those that are left may be the lucky ones."""
        return sorted({failure.seed for failure in self.failures if failure.arm in (name, BASELINE)})

    def result(self) -> dict[str, Any]:
        """The plan's result."""
        return {
            "verdict": self._goal(ONE_CYCLE, self.spec.fraction),
            "fractions": [self._goal(name, share) for share, name in self._cycles],
            "fewest_epochs": self._fewest(),
            "one_cycle_minus_best_control": self._beside_control(),
            "measure": self.measure,
            "arms": {name: self._arm(name) for name in self.names},
            "warnings": self.warnings(),
        }

    @property
    def _cycles(self) -> list[tuple[float, str]]:
        """Every share of the epochs in which one cycle was tried, the largest first."""
        shares = {share: at_share(share) for share in self.spec.fractions} | {self.spec.fraction: ONE_CYCLE}
        return sorted(((share, name) for share, name in shares.items() if name in self.names), reverse=True)

    def _goal(self, name: str, share: float) -> dict[str, Any]:
        difference = self.difference(name, BASELINE)
        return {
            "verdict": self.verdict(name),
            "arm": name,
            "fraction": share,
            "margin": self.spec.margin,
            "difference": difference.as_dict() if difference else None,
            "reason": self.why(name, difference),
        }

    def why(self, name: str, difference: Estimate | None) -> str:
        """The verdict in words."""
        if difference is None:
            return f"There is no seed on which both {name} and {BASELINE} succeeded."
        told = f"{name} minus {BASELINE}: {difference.mean:+.2f} points over {difference.n} seeds"
        if difference.low is None or difference.high is None:
            return f"{told}. A single seed gives no interval, so that nothing is decided."
        told = f"{told}, 95 % interval from {difference.low:+.2f} to {difference.high:+.2f}"
        place = {"met": "lies above", "not_met": "lies below", "inconclusive": "contains"}[self.verdict(name)]
        lost = ", ".join(map(str, self.lost(name)))
        if lost and difference.low >= -self.spec.margin:
            return f"{told}; but seeds failed or were cancelled ({lost}): those that are left may be the lucky ones."
        return f"{told}, which {place} -{self.spec.margin:g}."

    def _fewest(self) -> dict[str, Any] | None:
        """The smallest share in which one cycle holds the goal, itself and in all larger ones that were tried."""
        held = None
        for share, name in self._cycles:
            if self.verdict(name) != "met":
                break
            held = {"arm": name, "fraction": share, "epochs": self.arms[name].epochs}
        return held

    def _beside_control(self) -> dict[str, Any] | None:
        if self.best_control is None:
            return None
        difference = self.difference(ONE_CYCLE, self.best_control)
        return {"control": self.best_control, "difference": difference.as_dict() if difference else None}

    def _arm(self, name: str) -> dict[str, Any]:
        runs, spec = self.of_arm(name), self.arms[name]

        def over(value: Callable[[Run], float]) -> dict[str, Any] | None:
            found = estimated([value(run) for run in runs])
            return found.as_dict() if found else None

        tested = [run.test for run in runs if run.test is not None]
        test = estimated(tested)
        return {
            "policy": spec.schedule.policy,
            "epochs": spec.epochs,
            "steps": runs[0].steps if runs else None,
            "max_lr": sorted({run.max_lr for run in runs}),
            "test_accuracy": test.as_dict() if test else None,
            "best_validation_accuracy": over(lambda run: run.best),
            "final_validation_accuracy": over(lambda run: run.final),
            "seconds": over(lambda run: run.seconds),
            "to_baseline": reaching(runs, self.target),
            "to_goal": reaching(runs, None if self.target is None else self.target - self.spec.margin / 100),
            "speed_up": speed_up(runs, self.of_arm(BASELINE), self.target),
            "cost_ratio": cost_ratio(runs, self.of_arm(BASELINE)),
            "search": search_cost(runs),
            "jobs": [run.job_id for run in runs],
            "reused": [run.reused_from for run in runs if run.reused_from],
            "failures": [_told(failure) for failure in self.failures if failure.arm == name],
        }

    def warnings(self) -> list[str]:
        """What a reader must know before believing the figures."""
        found = []
        if self.spec.seeds == 1:
            found.append("A single seed: there are no intervals, and nothing is decided.")
        if self.failures:
            lost = ", ".join(sorted({failure.arm for failure in self.failures}))
            found.append(f"{len(self.failures)} of the trainings failed or were cancelled, of: {lost}.")
        if self.measure == "validation_accuracy" and self.runs:
            found.append(f"{self._why_validation()}: figures are of the images that the best epoch was picked by.")
        return found + unlike(self.runs, self.arms)

    def _why_validation(self) -> str:
        if self.spec.validation == "test":
            return "Validation is on the test split"
        return "There is no test split" if self.spec.evaluate_test else "evaluate_test is false"


def _told(failure: Failure) -> dict[str, Any]:
    return {name: getattr(failure, name) for name in ("seed", "job_id", "state", "code", "detail")}
