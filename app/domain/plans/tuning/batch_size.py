"""The batch size by equal time: a step of a larger batch costs more, and there are fewer of them.

The gradient noise scale recommends one (McCandlish et al. 2018, arXiv:1812.06162), which is tried with the others.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from app.domain.noise_scale import SMALLEST
from app.domain.plans.family import Child, Children, NewChild, Planned
from app.domain.plans.tuning.stage import Decision, as_good_as_best, have_ended, rows, told, tried
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import short

FACTORS = (0.5, 1.0, 2.0, 4.0)  #: of the size that the training has
MOST_EPOCHS = 4  #: times the length of a short training: a size that much faster wins anyway


class BatchSizeStage:
    """Times an epoch of each size, then gives each as many epochs as fit the time that the present one takes.

    One epoch leaves its size open: that training measures the noise scale, and takes the size that it recommends.
    """

    name = "batch_size"

    def __init__(self, *, epochs: int, images: int) -> None:
        self._epochs, self._images = epochs, images

    def planned(self, training: TrainingSpec) -> Sequence[Planned]:
        """Timings and short trainings, as if the smallest size there is were the one that is recommended."""
        sizes = self._sizes(training)
        if not sizes:
            return []
        smallest = min(SMALLEST, self._images // training.accumulation_steps)
        sizes.append(max(training.devices, smallest - smallest % training.devices))
        longest = [self._epochs if size == size_of(training) else MOST_EPOCHS * self._epochs for size in sizes]
        lengths = [*((size, 1) for size in sizes), *zip(sizes, longest, strict=True)]
        return [Planned(with_size(short(training, epochs, {}), size), 1, searching=1) for size, epochs in lengths]

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """An epoch each; then, as long as what they took allows."""
        sizes = _present_first(training, self._sizes(training))
        timing = [NewChild(self._time_key(size), short(training, 1, {"batch_size": size})) for size in sizes]
        if sizes:
            timing.append(NewChild(self._time_key("auto"), short(training, 1, {"batch_size": "auto"})))
        if not have_ended(timing, children):
            return timing
        return [*timing, *self._trials(training, children)]

    def _trials(self, training: TrainingSpec, children: Children) -> list[NewChild]:
        keys = self._timed(training, children)
        seconds = {one.value: one.seconds for one in tried(children, keys) if one.loss is not None}
        present = seconds.get(size_of(training))
        if present is None:
            return []
        epochs = {size: _fitting(self._epochs * present / taken, self._epochs) for size, taken in seconds.items()}
        return [
            NewChild(self._trial_key(size), short(training, epochs[size], {"batch_size": size}))
            for size in _present_first(training, epochs)
        ]

    def decide(self, training: TrainingSpec, children: Children) -> Decision:
        """The smallest loss; of those within luck of it the largest batch, which leaves most to faster devices."""
        found = tried(children, {size: self._trial_key(size) for size in self._timed(training, children)})
        good, advised = as_good_as_best(found), self._advised(children)
        evidence = [*_measured(advised), *rows(found)]
        if not good:
            reason = "No short training told of any size, so it stays as it was."
            return Decision(self.name, {}, reason, evidence)
        size = max(one.value for one in good)
        reason = (
            f"{_advice(advised)}Validation losses after equal time, by size: {told(found)}. "
            f"{size} is the largest as good as the best."
        )
        return Decision(self.name, {"batch_size": size}, reason, evidence)

    def _advised(self, children: Children) -> Child | None:
        """The training that measured the noise scale, where it succeeded."""
        child = children.get(self._time_key("auto"))
        return child if child is not None and child.succeeded else None

    def _sizes(self, training: TrainingSpec) -> list[int]:
        present = size_of(training)
        sizes = {round(present * factor) for factor in FACTORS}
        most = self._images // training.accumulation_steps
        fitting = {size for size in sizes if 1 < size <= most and size % training.devices == 0} | {present}
        return sorted(fitting) if len(fitting) > 1 else []

    def _timed(self, training: TrainingSpec, children: Children) -> dict[int, str]:
        """Where each size was timed, the recommended one as well."""
        advised = self._advised(children)
        recommended = {} if advised is None else {_size(advised): advised.key}
        found = recommended | {size: self._time_key(size) for size in self._sizes(training)}
        return {size: found[size] for size in sorted(found)}

    def _time_key(self, size: int | str) -> str:
        return f"{self.name}/time/{size}"

    def _trial_key(self, size: int) -> str:
        return f"{self.name}/trial/{size}"


def size_of(training: TrainingSpec) -> int:
    """The batch size, which a tuning takes as a number alone."""
    assert training.batch_size != "auto"  # noqa: S101 - the spec refuses it
    return training.batch_size


def steps_of(training: TrainingSpec, steps: int, *, given: int) -> int:
    """Those of an epoch with the training's batch size, from how many they are with the one that was given."""
    return max(1, steps * given // size_of(training))


def with_size(training: TrainingSpec, size: int) -> TrainingSpec:
    """The training with another batch size."""
    return training.model_copy(update={"batch_size": size})


def _present_first(training: TrainingSpec, sizes: Iterable[int]) -> list[int]:
    """A budget must not keep it from being tried."""
    return sorted(sizes, key=lambda size: size != size_of(training))


def _size(advised: Child) -> int:
    return int(advised.resolved["batch_size"]["value"])


def _advice(advised: Child | None) -> str:
    """What the measurement came to, in words, with a space behind."""
    return "" if advised is None else f"{_size(advised)} is recommended: {advised.resolved['batch_size']['reason']}. "


def _measured(advised: Child | None) -> list[dict[str, Any]]:
    """As evidence; nothing where the noise could not be measured, or has no end."""
    scale = advised.resolved.get("noise_scale", {}).get("value") if advised is not None else None
    if advised is None or scale is None:
        return []
    return [{"value": _size(advised), "job_id": advised.id, "noise_scale": scale}]


def _fitting(epochs: float, usual: int) -> int:
    return max(1, min(round(epochs), MOST_EPOCHS * usual))
