"""A search over any fields: who proposes values is told what came of those before, and short trainings answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from app.domain.plans.family import Child, Children, NewChild, Planned
from app.domain.plans.tuning.stage import Decision, Tried, rows
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import Choices, Interval, Search, samples_of, short

SHORTENING = ("batch_size", "accumulation_steps")  #: what makes an epoch shorter the larger it is
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

    def planned(self, training: TrainingSpec) -> Sequence[Planned]:
        """All trials with the smallest batches that are searched; at a given rate where every trial has one."""
        fields = {path: samples_of(space) for path, space in self._search.fields.items()}
        numbers = {path: [one for one in fields.get(path, ()) if isinstance(one, int)] for path in SHORTENING}
        smallest = {path: min(found) for path, found in numbers.items() if found}
        trial = short(training, self._epochs, {}).model_copy(update=smallest)
        rates = [one for one in fields.get("schedule.max_lr", ()) if isinstance(one, float | int)]
        has_rate = bool(rates) and len(rates) == len(fields["schedule.max_lr"])
        return [Planned(trial, self._search.trials, searching=0 if has_rate else self._search.trials)]

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """Those to be made now; what is there already needs no mention, since its values stand in its row."""
        done = self._made(children)
        under_way = sum(not child.ended for child in done)
        count = min(self._search.parallel - under_way, self._search.trials - len(done))
        if count <= 0:
            return []
        return list(islice(self._proposed(training, done, count), count))

    def _proposed(self, training: TrainingSpec, done: Sequence[Child], count: int) -> Iterator[NewChild]:
        """Points that make a training; fields that are right one by one may not go together."""
        asked, place = [_asked(child) for child in done], len(done)
        for draw in range(MOST_DRAWS):
            for point in self._propose(self._search.fields, asked, count, self._seed + len(done) + 1000 * draw):
                with suppress(ValidationError):
                    spec = short(training, self._epochs, point)
                    proposed = {"value": dict(point), "origin": "search", "reason": "What the sampler proposed."}
                    yield NewChild(f"{self.name}/{place}", spec, settled={"proposed": proposed})
                    place += 1

    def decide(self, _: TrainingSpec, children: Children) -> Decision:
        """The point with the smallest loss."""
        found = [_tried(child) for child in self._made(children) if child.ended]
        best = min(enumerate(found), key=lambda pair: pair[1].score, default=None)
        if best is None or best[1].loss is None:
            reason = "No short training of the search succeeded, so nothing changes."
            return Decision(self.name, {}, reason, list(rows(found)))
        number, one = best
        reason = f"Trial {number} of {len(found)} ended with the smallest validation loss, {one.loss:.3g}."
        return Decision(self.name, one.value, reason, list(rows(found)))

    def _made(self, children: Children) -> list[Child]:
        mine = [child for key, child in children.items() if key.startswith(f"{self.name}/")]
        return sorted(mine, key=lambda child: int(child.key.rpartition("/")[2]))


def _tried(child: Child) -> Tried:
    last = child.result["last"] if child.result is not None else {}
    loss, accuracy = last.get("validation_loss"), last.get("validation_accuracy")
    return Tried(child.resolved["proposed"]["value"], child.id, loss, accuracy, child.seconds)


def _asked(child: Child) -> Asked:
    one = _tried(child)
    return Asked(one.value, one.loss, failed=child.ended and one.loss is None)
