"""A comparison in that world."""

from app.datasets.facts import built_in_by_name
from app.db.session import Database
from app.db.tables import JobTable
from app.domain.lifecycle import JobState
from app.domain.plans import plan_of
from app.domain.specs import ComparisonSpec
from app.jobs.family import Family

COMPARISON = {"kind": "comparison", "dataset": "digits", "architecture": "mlp", "epochs": 40, "fractions": [0.5]}


def begin(database: Database, id: str) -> str:
    """Give a comparison that was submitted its first training, which has succeeded, whatever with; returns its id."""
    with database.transaction() as session:
        plan = session.get_one(JobTable, id)
        first = plan_of(ComparisonSpec.model_validate(plan.spec)).advance(plan.resolved, {}, lambda *_: []).new[0]
        part = Family(session, plan).make(first, built_in_by_name("digits"))
        part.state = JobState.SUCCEEDED
        return part.id
