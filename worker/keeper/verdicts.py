"""The outcome of a check: columns of the dataset's row, `ready` or `invalid`, always with a report."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.datasets import array_files, class_folders
from worker.datasets.errors import Caution, Problem
from worker.datasets.splitting import MadeSplit
from worker.keeper.cautions import cautions_of
from worker.keeper.content import Content
from worker.keeper.duplicates import find_duplicates
from worker.keeper.figures import middle, statistics_of
from worker.keeper.survey import Survey

SHOWN_PROBLEMS = 100
EXPECTED = f"{class_folders.EXPECTED} {array_files.EXPECTED}"
_ADD_AGAIN = "Correct it and add the dataset again."


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found in images that it could read."""

    content: Content
    survey: Survey
    found: str  #: the same in words
    cautions: list[Caution]  #: beside those that the images give cause for

    def report(self, problems: list[Problem]) -> dict[str, Any]:
        """All of it, for humans and their programs."""
        duplicates = find_duplicates(self.content, self.survey.ranks)
        cautions = [*self.cautions, *cautions_of(self.content, duplicates)]
        statistics = statistics_of(self.content, self.survey, duplicates)
        return _report(problems, cautions, found=self.found, statistics=statistics)


def ready(findings: Findings, *, version: str, split: MadeSplit) -> dict[str, Any]:
    """The verdict on a dataset that can be trained on. `split` is how test images were taken out, if they were."""
    content, survey = findings.content, findings.survey
    levels = survey.training(content.marks)
    is_made = content.origin == "made"
    return {
        "state": "ready",
        "version": split.version(version) if is_made else version,
        "classes": content.classes,
        "counts": content.counts(),
        "image": {
            "mode": levels.mode,
            "min": [min(survey.widths), min(survey.heights)],
            "max": [max(survey.widths), max(survey.heights)],
            "side": middle(survey.shorter_sides),
        },
        "channel_mean": levels.mean,
        "channel_std": levels.deviation,
        "split": {
            "origin": content.origin,
            "test_fraction": split.test_fraction if is_made else None,
            "seed": split.seed if is_made else None,
        },
        "skipped": sorted(survey.bad) or None,
        "report": findings.report([]),
    }


def invalid(
    problems: list[Problem], *, found: str, expected: str = EXPECTED, cautions: Iterable[Caution] = ()
) -> dict[str, Any]:
    """The verdict on a dataset that cannot be used, of whose images little is known."""
    report = _report(problems, cautions, found=found, statistics=None)
    return {"state": "invalid", "report": report | {"expected": expected[0].upper() + expected[1:]}}


def unusable(findings: Findings, problems: list[Problem]) -> dict[str, Any]:
    """The verdict on a dataset that cannot be used for some of its images."""
    content = findings.content
    report = findings.report(problems) if findings.survey.widths else invalid(problems, found=findings.found)["report"]
    return {"state": "invalid", "classes": content.classes, "counts": content.counts(), "report": report}


def _report(
    problems: list[Problem], cautions: Iterable[Caution], *, found: str, statistics: Mapping[str, Any] | None
) -> dict[str, Any]:
    shown = [problem.as_dict() for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        detail = f"{len(problems) - SHOWN_PROBLEMS} more problems are not listed."
        shown.append(Problem("more_problems", None, detail, _ADD_AGAIN).as_dict())
    warnings = [caution.as_dict() for caution in cautions]
    return {"expected": EXPECTED, "found": found, "problems": shown, "warnings": warnings, "statistics": statistics}
