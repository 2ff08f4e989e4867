"""The range of momentum: short trainings at several largest momenta, each at the rate that its own sweep picks.

What matters is lr / (1 - momentum), so that momenta compared at one rate would be compared at other step sizes; the
smallest momentum hardly matters between .8 and .85 (Smith 2018, arXiv:1803.09820, section 4.3).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from app.domain.plans.family import Children, NewChild, Planned, at_rate
from app.domain.plans.tuning.stage import Decision, as_good_as_best, have_ended, rows, sweep, told, tried
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import short

MOMENTA = (0.9, 0.95, 0.97, 0.99)
SMALLEST = 0.85  #: where the learning rate is largest
# Of a ResNet-9 on a part of CIFAR-10 four ended trainings of one epoch with losses up to 4 % apart, in no order.
# With the one that won by 3 % a whole training ended 5.7 points below one without it (docs/explanation/results.md).
LUCK = 0.05  #: losses that differ by less than this share speak for the usual one


class MomentumStage:
    """With SGD; the Adam family's beta1 is cycled only where a spec asks for it."""

    name = "momentum"

    def __init__(self, *, epochs: int, reuse: bool) -> None:
        self._epochs = epochs
        self._new = partial(NewChild, reuse=reuse)

    def planned(self, training: TrainingSpec) -> Sequence[Planned]:
        """The sweeps, and short trainings that take their rates from those."""
        sweeps = self.wanted(training, {})
        trial = short(training, self._epochs, {})
        return [*(Planned(one.spec, 1) for one in sweeps), Planned(trial, len(sweeps))]

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """Sweeps, then short trainings."""
        if training.optimizer.name != "sgd":
            return []
        sweeps = [self._new(self._key("sweep", one), sweep(training, {"optimizer.momentum": one})) for one in MOMENTA]
        if not have_ended(sweeps, children):
            return sweeps
        rates = {one: children[self._key("sweep", one)].result for one in MOMENTA}
        trials = [
            self._trial(training, one, float(found["max_lr"])) for one, found in rates.items() if found is not None
        ]
        return [*sweeps, *trials]

    def _trial(self, training: TrainingSpec, momentum: float, rate: float) -> NewChild:
        spec = short(at_rate(training, rate), self._epochs, values_of(training, momentum))
        return NewChild(self._key("trial", momentum), spec)

    def decide(self, training: TrainingSpec, children: Children) -> Decision:
        """The smallest loss; of those within luck of it the one nearest to the usual .95."""
        if training.optimizer.name != "sgd":
            return Decision(self.name, {}, f"{training.optimizer.name} has no momentum of SGD's; beta1 stays as it is.")
        found = tried(children, {one: self._key("trial", one) for one in MOMENTA})
        good = as_good_as_best(found, within=LUCK)
        if not good:
            reason = "No short training told of any momentum, so it stays as it was."
            return Decision(self.name, {}, reason, list(rows(found)))
        momentum = min((one.value for one in good), key=lambda one: abs(one - 0.95))
        reason = f"Validation losses of short trainings, each at its own sweep's rate: {told(found)}. {momentum:g} is "
        reason += "the one nearest to .95 of those as good as the best."
        return Decision(self.name, values_of(training, momentum), reason, list(rows(found)))

    def _key(self, what: str, momentum: float) -> str:
        return f"{self.name}/{what}/{momentum:g}"


def values_of(training: TrainingSpec, momentum: float) -> dict[str, Any]:
    """Where a momentum stands: in the cycle, or with the optimizer for a policy that cycles none."""
    schedule = training.schedule
    if schedule.policy != "one_cycle":
        return {"optimizer.momentum": momentum}
    return {"schedule.max_momentum": momentum, "schedule.min_momentum": min(SMALLEST, momentum)}
