"""The page of an automatic run: what it says of a comparison that followed a tuning."""

import pytest

from app.domain.specs import parse_spec
from worker.reports.auto import report_auto

SPEC = parse_spec({"kind": "auto", "dataset": "digits"}).model_dump(mode="json")


@pytest.fixture
def page(tmp_path):
    """The text of a run that had these jobs, with what the tuning chose."""

    def write(*keys, **chosen):
        facts = {"state": "succeeded", "result": None, "error": None, "seconds": 1.0, "spec": {}, "model_id": None}
        jobs = [facts | {"key": key, "id": f"job_{key}", "epochs": {}} for key in keys]
        for job in jobs:
            job["result"] = {"values": chosen} if job["key"] == "tuning" else None
        report_auto({"id": "job_x", "name": None, "spec": SPEC, "children": jobs}, tmp_path)
        return (tmp_path / "report.md").read_text()

    return write


COST = "What the tuning has cost is not in the comparison's speed-up with search."
SHARED = "All arms have what was tuned with the schedule of one_cycle alone: batch_size, optimizer.weight_decay."
MOMENTA = "Its one_cycle has the momenta that were tuned, its baseline and controls those of the optimizer."
VALUES = {"batch_size": 64, "optimizer.weight_decay": 1e-3}
CYCLED = {"schedule.max_momentum": 0.97}


class TestNotes:
    @pytest.mark.parametrize(
        ("keys", "chosen", "told"),
        [
            (("tuning", "training", "comparison"), VALUES | CYCLED, [COST, SHARED, MOMENTA]),
            (("tuning", "training", "comparison"), VALUES, [COST, SHARED]),
            (("tuning", "training", "comparison"), CYCLED, [COST, MOMENTA]),
            (("tuning", "training", "comparison"), {}, [COST]),
            (("training", "comparison"), {}, []),
            (("tuning", "training"), VALUES | CYCLED, []),
        ],
    )
    def test_what_was_tuned_on_one_cycle_is_said_of_the_comparison(self, page, keys, chosen, told):
        text = page(*keys, **chosen)
        assert [one for one in (COST, SHARED, MOMENTA) if one in text] == told
