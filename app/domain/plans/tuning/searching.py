"""A search over any fields: who proposes values is told what came of those before, and short trainings answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from app.domain.plans.family import Child, Children, NewChild, Planned
from app.domain.plans.tuning.stage import Decision, Tried, loss_text, rows
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import Choices, Interval, Search, changed, samples_of, short

SHORTENING = ("batch_size", "accumulation_steps")  #: what makes an epoch shorter the larger it is
PRESENT = "present"  #: origin of the values that the training has without the search
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
        first = [] if done else self._present(training)
        asked = [*map(_asked, done), *(Asked(one.settled["proposed"]["value"], None) for one in first)]
        return [*first, *islice(self._proposed(training, asked, count - len(first)), count - len(first))]

    def _present(self, training: TrainingSpec) -> list[NewChild]:
        """A trial of what the training has, for the samples to beat; none where a value lies outside its space."""
        point = present_point(training, self._search.fields)
        with suppress(ValidationError):  # of what is right in the training alone, such as an epoch beyond its trials
            return [] if point is None else [self._trial(training, 0, point, origin=PRESENT)]
        return []

    def _proposed(self, training: TrainingSpec, asked: Sequence[Asked], count: int) -> Iterator[NewChild]:
        """Points that make a training; fields that are right one by one may not go together."""
        place = len(asked)
        for draw in range(MOST_DRAWS if count else 0):
            for point in self._propose(self._search.fields, asked, count, self._seed + len(asked) + 1000 * draw):
                with suppress(ValidationError):
                    yield self._trial(training, place, point, origin="search")
                    place += 1

    def _trial(self, training: TrainingSpec, place: int, point: Mapping[str, Any], *, origin: str) -> NewChild:
        reason = "What the training has." if origin == PRESENT else "What the sampler proposed."
        proposed = {"value": dict(point), "origin": origin, "reason": reason}
        spec = short(training, self._epochs, point)
        return NewChild(f"{self.name}/{place}", spec, settled={"proposed": proposed})

    def decide(self, _: TrainingSpec, children: Children) -> Decision:
        """The point with the smallest loss; that of the present values, unless another's is smaller."""
        ended = [child for child in self._made(children) if child.ended]
        found = [_tried(child) for child in ended]
        best = min(enumerate(found), key=lambda pair: pair[1].score, default=None)
        if best is None or best[1].loss is None:
            reason = "No short training of the search succeeded, so nothing changes."
            return Decision(self.name, {}, reason, list(rows(found)))
        number, one = best
        reason = f"Trial {number} of {len(found)} ended with the smallest validation loss, {one.loss:.3g}"
        if _is_present(ended[0]):
            told = f"; the present values: {loss_text(found[0])}" if number else ", with the present values, which stay"
            reason += told
        return Decision(self.name, one.value, f"{reason}.", list(rows(found)))

    def _made(self, children: Children) -> list[Child]:
        mine = [child for key, child in children.items() if key.startswith(f"{self.name}/")]
        return sorted(mine, key=lambda child: int(child.key.rpartition("/")[2]))


def present_point(training: TrainingSpec, space: Space) -> dict[str, Any] | None:
    """What the training has in the place of each field; None where any of it lies outside the field's space."""
    data = training.model_dump(mode="json")
    if training.schedule.policy == "one_cycle":  # what was left out is its shape's
        given = {name: value for name, value in data["schedule"].items() if value is not None}
        data["schedule"] = asdict(training.schedule.numbers) | given
    point = {}
    for path, one in space.items():
        here = _at(path, data)
        if isinstance(one, Interval):
            found = [here] if _lies_within(here, one) else []
        else:
            found = [value for value in one.choices if value == here or _changes_nothing(training, path, value)]
        if not found:
            return None
        point[path] = found[0]
    return point


def _changes_nothing(training: TrainingSpec, path: str, value: Any) -> bool:  # noqa: ANN401
    """Whether this is another way to write what the training has, such as a network's bare name."""
    with suppress(ValidationError):
        return changed(training, {path: value}).model_dump() == training.model_dump()
    return False


def _lies_within(value: Any, space: Interval) -> bool:  # noqa: ANN401
    is_number = isinstance(value, float | int) and not isinstance(value, bool)
    return is_number and space.low <= value <= space.high and not (space.whole and value % 1)


def _at(path: str, data: Any) -> Any:  # noqa: ANN401
    """What stands in a place, e.g. `optimizer.momentum`; None where nothing does."""
    name, _, rest = path.partition(".")
    found = data.get(name) if isinstance(data, dict) else None
    return _at(rest, found) if rest else found


def _is_present(child: Child) -> bool:
    return bool(child.resolved["proposed"]["origin"] == PRESENT)


def _tried(child: Child) -> Tried:
    last = child.result["last"] if child.result is not None else {}
    loss, accuracy = last.get("validation_loss"), last.get("validation_accuracy")
    return Tried(child.resolved["proposed"]["value"], child.id, loss, accuracy, child.seconds)


def _asked(child: Child) -> Asked:
    one = _tried(child)
    return Asked(one.value, one.loss, failed=child.ended and one.loss is None)
