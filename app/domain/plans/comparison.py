"""The plan of a comparison: each arm searches its learning rate with its first seed, and trains with it on the others.

The others wait until that of every arm has ended, so that arms take turns throughout: an arm that trained all its seeds
in a row would have an hour of the machine to itself.

The search takes the same number of optimizer steps in every arm, or an arm that may search longer would win by that.
"""

import math
import random
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from app.domain.plans.family import COMPUTATION, Child, Children, NewChild, Planned, Step, StepsPerEpoch, at_rate
from app.domain.plans.tuning.searching import Propose
from app.domain.specs.comparison import ComparisonSpec, arms_of
from app.domain.specs.training import TrainingSpec
from app.domain.verification import BUDGET_SHARE, FEWEST_STEPS

_WHY_SEARCH = (
    "The most optimizer steps that every arm's search for max_lr takes: {share:.0%} of those of {arm}, the shortest."
)
_WHY_CAPPED = (
    "search_steps asks for {asked}, which {arm}, the shortest, cannot spare: every arm's search takes at most "
    "{share:.0%} of its steps."
)
_WHY_NONE = (
    "{arm} has {steps} optimizer steps, too few to spare any for short cycles: every arm takes what a range test says."
)


class ComparisonPlan:
    """One comparison."""

    def __init__(self, spec: ComparisonSpec) -> None:
        self.spec = spec
        self.arms = arms_of(spec)

    def settle(self, steps_per_epoch: StepsPerEpoch) -> dict[str, dict[str, Any]]:
        """The steps of each arm's search."""
        steps = {name: arm.epochs * steps_per_epoch(arm) for name, arm in self.arms.items()}
        shortest = min(steps, key=steps.__getitem__)
        most, asked = math.floor(BUDGET_SHARE * steps[shortest]), self.spec.search_steps
        about: dict[str, Any] = {"arm": shortest, "share": BUDGET_SHARE, "steps": steps[shortest], "asked": asked}
        if steps[shortest] < FEWEST_STEPS:
            return _search_steps(None, "plan", _WHY_NONE.format(**about))
        if asked is None:
            return _search_steps(most, "plan", _WHY_SEARCH.format(**about))
        if asked > most:
            return _search_steps(most, "plan", _WHY_CAPPED.format(**about))
        return _search_steps(asked, "spec", "Given as search_steps.")

    def planned(self, resolved: Mapping[str, Any]) -> list[Planned]:
        """Every arm."""
        most = resolved["search_steps"]["value"]
        return [self._planned(name, searching(arm, most=most)) for name, arm in self.arms.items()]

    def _planned(self, name: str, arm: TrainingSpec) -> Planned:
        change = self.spec.arms.get(name) or {}
        first = _with_seed(arm, self.spec.seed)
        return Planned(first, self.spec.seeds, searching=1, place=("arms", name), own=frozenset(change))

    def has_outcome(self, children: Children) -> bool:
        """Whether any training succeeded."""
        return any(child.succeeded for child in children.values())

    def advance(self, resolved: Mapping[str, Any], children: Children, _: Propose) -> Step:
        """Each arm's first seed, and once all of those have ended the others, seed by seed."""
        most = resolved["search_steps"]["value"]
        wanted = [self._child(name, searching(arm, most=most), self.spec.seed) for name, arm in self.arms.items()]
        if all(child.key in children and children[child.key].ended for child in wanted):
            wanted += self._others(children)
        new = self._mixed([child for child in wanted if child.key not in children], children)
        failed = sum(self._is_lost(name, children) for name in self.arms)
        total = len(self.arms) * self.spec.seeds - failed * (self.spec.seeds - 1)
        return Step(new, total, is_over=not new and all(child.ended for child in children.values()))

    def _mixed(self, new: list[NewChild], children: Children) -> list[NewChild]:
        """One seed after the other, its arms by chance: what a machine does meanwhile must hit all alike."""
        order = list(new)
        random.Random(f"{self.spec.seed} {len(children)}").shuffle(order)  # noqa: S311 - no secret
        return sorted(order, key=lambda child: split_key(child.key)[1])

    def _others(self, children: Children) -> Iterator[NewChild]:
        """The trainings after each arm's first; none of an arm whose search has failed."""
        for name, arm in self.arms.items():
            first = children[key_of(name, self.spec.seed)]
            if self._is_lost(name, children):
                continue
            known = arm if arm.schedule.max_lr != "auto" else at_rate(arm, _rate_of(first))
            settled = self._computed_alike(arm, children)
            yield from (self._child(name, known, seed, settled=settled) for seed in self.spec.all_seeds[1:])

    def _computed_alike(self, arm: TrainingSpec, children: Children) -> dict[str, Any]:
        """Precision and compiling of the first arm that left them open; measured anew, they hang on an arm's length.

        Deterministic work keeps what it would choose alone: it must not hang on what was measured elsewhere.
        """
        open_ = [] if arm.deterministic else [field for field in COMPUTATION if getattr(arm, field) == "auto"]
        found = {field: self._chosen(field, children) for field in open_}
        return {field: value for field, value in found.items() if value is not None}

    def _chosen(self, field: str, children: Children) -> dict[str, Any] | None:
        for name, arm in self.arms.items():
            first = children[key_of(name, self.spec.seed)]
            if getattr(arm, field) == "auto" and first.succeeded and field in first.resolved:
                chosen = first.resolved[field]
                reason = f"As in {first.key}, so that no arm differs by it: {chosen['reason']}"
                return {"value": chosen["value"], "origin": "plan", "reason": reason}
        return None

    def _child(
        self, name: str, arm: TrainingSpec, seed: int, *, settled: Mapping[str, Any] = MappingProxyType({})
    ) -> NewChild:
        return NewChild(key_of(name, seed), _with_seed(arm, seed), reuse=self.spec.reuse, settled=settled)

    def _is_lost(self, name: str, children: Children) -> bool:
        """Whether there is no learning rate for the arm's other seeds."""
        first = children.get(key_of(name, self.spec.seed))
        is_open = self.arms[name].schedule.max_lr == "auto"
        return is_open and first is not None and first.ended and not first.succeeded


def _search_steps(value: int | None, origin: str, reason: str) -> dict[str, dict[str, Any]]:
    return {"search_steps": {"value": value, "origin": origin, "reason": reason}}


def key_of(arm: str, seed: int) -> str:
    """The place of a training in its comparison."""
    return f"{arm}/{seed}"


def split_key(key: str) -> tuple[str, int]:
    """Arm and seed of such a place."""
    arm, _, seed = key.rpartition("/")
    return arm, int(seed)


def searching(arm: TrainingSpec, *, most: int | None) -> TrainingSpec:
    """The arm, searching for so many steps; one whose rate or pick was given stays as it is."""
    schedule = arm.schedule
    if schedule.max_lr != "auto" or schedule.pick != "best":
        return arm
    change = {"pick": "margin", "search_steps": None} if most is None else {"search_steps": most}
    return arm.model_copy(update={"schedule": schedule.model_copy(update=change)})


def _rate_of(child: Child) -> float:
    return float(child.resolved["max_lr"]["value"])


def _with_seed(arm: TrainingSpec, seed: int) -> TrainingSpec:
    return arm.model_copy(update={"seed": seed})
