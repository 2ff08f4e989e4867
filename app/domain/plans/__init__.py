"""Plans: jobs that run nothing themselves, but say which jobs are to be run, and what follows from those that ended.

A plan keeps nothing in memory: what is to be done next follows from its spec, what was settled when it was submitted,
and its children as they are. So it goes on after any interruption, and asking it twice is asking it once.
"""

from app.domain.plans.family import Child, NewChild, Planned, Step, StepsPerEpoch
from app.domain.plans.kinds import plan_of

__all__ = ["Child", "NewChild", "Planned", "Step", "StepsPerEpoch", "plan_of"]
