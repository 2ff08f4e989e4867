"""A search over any fields: who proposes values is told what came of those before, and short trainings answer."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from app.domain.plans.family import Child, Children, NewChild
from app.domain.plans.tuning.stage import Decision
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import Choices, Interval, Search, short

MOST_DRAWS = 20  #: until as many points go together as are wanted
Space = Mapping[str, Interval | Choices]  #: by place in the training


@dataclass(frozen=True, slots=True)
class Asked:
    """What was proposed before: values by place, and the loss they came to; None while it is not known."""

    values: Mapping[str, Any]
    loss: float | None
    failed: bool = False


#: Proposes so many further points of a space; the same history and seed give the same points.
Propose = Callable[[Space, Sequence[Asked], int, int], Sequence[Mapping[str, Any]]]


class SearchStage:
    """Keeps so many short trainings under way until all have been made."""

    name = "search"

    def __init__(self, search: Search, *, epochs: int, seed: int, propose: Propose) -> None:
        self._search, self._epochs, self._seed, self._propose = search, epochs, seed, propose

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """Those to be made now; what is there already needs no mention, since its values stand in its own spec."""
        done = self._made(children)
        under_way = sum(not child.ended for child in done)
        count = min(self._search.parallel - under_way, self._search.trials - len(done))
        if count <= 0:
            return []
        return list(islice(self._proposed(training, done, count), count))

    def _proposed(self, training: TrainingSpec, done: Sequence[Child], count: int) -> Iterator[NewChild]:
        """Points that make a training; fields that are right one by one may not go together."""
        asked, place = [self._asked(child) for child in done], len(done)
        for draw in range(MOST_DRAWS):
            for point in self._propose(self._search.fields, asked, count, self._seed + len(done) + 1000 * draw):
                with suppress(ValidationError):
                    spec = short(training, self._epochs, point)
                    proposed = {"value": dict(point), "origin": "search", "reason": "What the sampler proposed."}
                    yield NewChild(f"{self.name}/{place}", spec, settled={"proposed": proposed})
                    place += 1

    def decide(self, _: TrainingSpec, children: Children) -> Decision:
        """The point with the smallest loss."""
        found = [(self._asked(child), child) for child in self._made(children) if child.ended]
        evidence = [
            {"value": dict(one.values), "job_id": child.id, "validation_loss": one.loss,
             "validation_accuracy": _accuracy(child), "seconds": child.seconds}
            for one, child in found
        ]  # fmt: skip
        best = min(found, key=lambda pair: math.inf if pair[0].loss is None else pair[0].loss, default=None)
        if best is None or best[0].loss is None:
            return Decision(self.name, {}, "No short training of the search succeeded, so nothing changes.", evidence)
        number = best[1].key.rpartition("/")[2]
        reason = f"Trial {number} of {len(found)} ended with the smallest validation loss, {best[0].loss:.3g}."
        return Decision(self.name, dict(best[0].values), reason, evidence)

    def _made(self, children: Children) -> list[Child]:
        mine = [child for key, child in children.items() if key.startswith(f"{self.name}/")]
        return sorted(mine, key=lambda child: int(child.key.rpartition("/")[2]))

    def _asked(self, child: Child) -> Asked:
        values = child.resolved["proposed"]["value"]
        loss = child.result["last"]["validation_loss"] if child.result is not None else None
        return Asked(values, loss, failed=child.ended and loss is None)


def value_at(spec: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401
    """What stands at a place of a spec; None where nothing does."""
    found: Any = spec
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _accuracy(child: Child) -> float | None:
    return child.result["last"]["validation_accuracy"] if child.result is not None else None
