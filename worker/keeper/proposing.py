"""Proposes points of a search with Optuna's TPE sampler (Bergstra et al. 2011), from all that was tried before.

The study is rebuilt each time from the trials that there are, so that nothing has to be kept.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from app.domain.plans.tuning.searching import Asked, Space
from app.domain.specs.tuning import Choices, Interval

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def propose(space: Space, asked: Sequence[Asked], count: int, seed: int) -> list[Mapping[str, Any]]:
    """So many points; what is under way counts as tried, so that two at once differ."""
    optuna = _optuna()
    sampler = optuna.samplers.TPESampler(seed=seed % 2**32, constant_liar=True, multivariate=True)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    distributions = {path: _distribution(one) for path, one in space.items()}
    states = optuna.trial.TrialState
    for one in asked:
        state = states.FAIL if one.failed else states.RUNNING if one.loss is None else states.COMPLETE
        facts = {"params": dict(one.values), "distributions": distributions, "state": state, "value": one.loss}
        study.add_trial(optuna.trial.create_trial(**facts))
    return [study.ask(distributions).params for _ in range(count)]


@cache
def _optuna() -> ModuleType:
    """Imported when it is first needed: it takes a second, and most keepers never search."""
    import optuna  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _distribution(space: Interval | Choices) -> "BaseDistribution":
    distributions = _optuna().distributions
    made: BaseDistribution
    if isinstance(space, Choices):
        made = distributions.CategoricalDistribution(space.choices)
    elif space.whole:
        made = distributions.IntDistribution(int(space.low), int(space.high), log=space.log)
    else:
        made = distributions.FloatDistribution(space.low, space.high, log=space.log)
    return made
