"""A plan as the keeper writes it down for the process that makes its report."""

import json

import pytest

from app.domain.specs import parse_spec
from tests.worker.reports.trainings import MINIMAL, arm, record


@pytest.fixture
def request_in(tmp_path):
    """Writes `request.json` of a comparison with a failed arm; returns its folder."""

    def write(*, took_over=False, **fields):
        spec = parse_spec(MINIMAL | fields).model_dump(mode="json")
        error = {"code": "lr_diverged", "detail": "It <diverged> | broke."}
        reused = {"reused": {"value": "job_before", "origin": "reuse", "reason": "."}} if took_over else {}
        records = [*arm("baseline", [0.9, 0.91, 0.92], resolved=reused), *arm("one_cycle", [0.9, 0.9, 0.9], best=0.8)]
        records.append(record("linear/0", state="failed", error=error, result=None))
        settled = {"search_steps": {"value": 150, "origin": "plan", "reason": "."}}
        plan = {"id": "job_x", "name": "<b>mine</b>", "spec": spec, "resolved": settled, "children": records}
        (tmp_path / "request.json").write_text(json.dumps(plan))
        return tmp_path

    return write
