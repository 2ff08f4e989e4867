"""The range of momentum: short trainings at several momenta, each at the rate of a sweep at its momentum.

What matters is lr / (1 - momentum), so that momenta compared at one rate would be compared at other step sizes. A cycle
has its smallest momentum where its rate is largest, whatever its largest momentum is: there one sweep suits them all.
That smallest one hardly matters between .8 and .85 (Smith 2018, arXiv:1803.09820, section 4.3), and stays.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from app.domain.plans.family import Children, NewChild, Planned, at_rate
from app.domain.plans.tuning.stage import Decision, Tried, as_good_as_best, have_ended, rows, sweep, told, tried
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import short

MOMENTA = (0.9, 0.95, 0.97, 0.99)  #: to try beside the one that the training has
# Of a ResNet-9 on a part of CIFAR-10 four ended trainings of one epoch with losses up to 4 % apart, in no order.
# With the one that won by 3 % a whole training ended 5.7 points below one without it (docs/explanation/results.md).
LUCK = 0.05  #: losses that differ by less than this share speak for what the training has


class MomentumStage:
    """With SGD; the Adam family's beta1 is cycled only where a spec asks for it."""

    name = "momentum"

    def __init__(self, *, epochs: int, reuse: bool) -> None:
        self._epochs = epochs
        self._new = partial(NewChild, reuse=reuse)

    def planned(self, training: TrainingSpec) -> Sequence[Planned]:
        """The sweeps, and short trainings that take their rates from those."""
        if training.optimizer.name != "sgd":
            return []
        trial = short(training, self._epochs, {})
        sweeps = [Planned(one.spec, 1) for one in self.wanted(training, {})]
        return [*sweeps, Planned(trial, len(candidates(training)))]

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """Sweeps, then short trainings."""
        if training.optimizer.name != "sgd":
            return []
        sweeps = [self._sweep(training, one) for one in _swept(training)]
        if not have_ended(sweeps, children):
            return sweeps
        trials = [self._trial(training, one, children) for one in candidates(training)]
        return [*sweeps, *(one for one in trials if one is not None)]

    def _sweep(self, training: TrainingSpec, momentum: float) -> NewChild:
        """At that momentum throughout; where it is 0 Nesterov's is the classical one, which alone may be 0."""
        values = {"optimizer.momentum": momentum} | ({} if momentum else {"optimizer.nesterov": False})
        return self._new(self._key("sweep", momentum), sweep(training, values))

    def _trial(self, training: TrainingSpec, momentum: float, children: Children) -> NewChild | None:
        """At the rate of its sweep; nothing where that failed."""
        found = children[self._key("sweep", at_peak(training, momentum))].result
        if found is None:
            return None
        at_its_rate = at_rate(training, float(found["max_lr"]))
        return NewChild(self._key("trial", momentum), short(at_its_rate, self._epochs, values_of(training, momentum)))

    def decide(self, training: TrainingSpec, children: Children) -> Decision:
        """The smallest loss; of those within luck of it the one nearest to what the training has."""
        if training.optimizer.name != "sgd":
            return Decision(self.name, {}, f"{training.optimizer.name} has no momentum of SGD's; beta1 stays as it is.")
        found = tried(children, {one: self._key("trial", one) for one in sorted(candidates(training))})
        good = as_good_as_best(found, within=LUCK)
        if not good:
            reason = "No short training told of any momentum, so it stays as it was."
            return Decision(self.name, {}, reason, list(rows(found)))
        momentum = min((one.value for one in good), key=lambda one: abs(one - present(training)))
        return Decision(self.name, values_of(training, momentum), _why(training, found, momentum), list(rows(found)))

    def _key(self, what: str, momentum: float) -> str:
        return f"{self.name}/{what}/{momentum:g}"


def present(training: TrainingSpec) -> float:
    """The largest momentum of its cycle; where none is cycled, the optimizer's."""
    cycle, optimizer = _cycle(training), training.optimizer
    assert optimizer.name == "sgd"  # noqa: S101 - the stage leaves the others alone
    return optimizer.momentum if cycle is None else cycle[0]


def candidates(training: TrainingSpec) -> list[float]:
    """What it has, which a budget must not keep from being tried; then those that its cycle's smallest allows."""
    cycle, mine = _cycle(training), present(training)
    smallest = 0.0 if cycle is None else cycle[1]
    return [mine, *(one for one in MOMENTA if one >= smallest and f"{one:g}" != f"{mine:g}")]


def at_peak(training: TrainingSpec, momentum: float) -> float:
    """What a training with this momentum has where its rate is largest."""
    cycle = _cycle(training)
    return momentum if cycle is None else cycle[1]


def values_of(training: TrainingSpec, momentum: float) -> dict[str, Any]:
    """Where a momentum stands: in the cycle, or with the optimizer where none is cycled."""
    return {"optimizer.momentum" if _cycle(training) is None else "schedule.max_momentum": momentum}


def _cycle(training: TrainingSpec) -> tuple[float, float] | None:
    """The largest and the smallest momentum; None for a policy or a shape that leaves the optimizer's alone."""
    if training.schedule.policy != "one_cycle":
        return None
    numbers = training.schedule.numbers
    high, low = numbers.max_momentum, numbers.min_momentum
    return None if high is None or low is None else (high, low)


def _swept(training: TrainingSpec) -> list[float]:
    return list(dict.fromkeys(at_peak(training, one) for one in candidates(training)))


def _why(training: TrainingSpec, found: Sequence[Tried], momentum: float) -> str:
    cycle, mine = _cycle(training), present(training)
    rates = "each at its own sweep's rate"
    if cycle is not None:
        rates = f"all at the rate of a sweep at {cycle[1]:g}, the momentum that each has where its rate is largest"
    near = "the training has it" if momentum == mine else f"it is the nearest to {mine:g}, which the training has"
    taken = f"{momentum:g} is taken: of those within {100 * LUCK:.0f} % of the best, {near}."
    return f"Validation losses of short trainings, {rates}: {told(found)}. {taken}"
