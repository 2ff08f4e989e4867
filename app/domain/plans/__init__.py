"""Plans: jobs that run nothing themselves, but say which jobs are to be run, and what follows from those that ended.

A plan keeps nothing in memory: what is to be done next follows from its spec, what was settled when it was submitted,
and its children as they are. So it goes on after any interruption, and asking it twice is asking it once.
"""

from app.domain.plans.family import Child, Children, NewChild, Planned, Step
from app.domain.plans.kinds import Plan, StepsPerEpoch, plan_of
from app.domain.plans.tuning.searching import Asked, Propose, Space

__all__ = [
    "Asked",
    "Child",
    "Children",
    "NewChild",
    "Plan",
    "Planned",
    "Propose",
    "Space",
    "Step",
    "StepsPerEpoch",
    "plan_of",
]
