"""The batch size by equal time: a step of a larger batch costs more, and there are fewer of them."""

from collections.abc import Sequence

from app.domain.plans.family import Children, NewChild
from app.domain.plans.tuning.stage import Decision, as_good_as_best, have_ended, rows, told, tried
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import short

FACTORS = (0.5, 1.0, 2.0, 4.0)  #: of the size that the training has
MOST_EPOCHS = 4  #: times the length of a short training: a size that much faster wins anyway


class BatchSizeStage:
    """Times an epoch of each size, then gives each as many epochs as fit the time that the present one takes."""

    name = "batch_size"

    def __init__(self, *, epochs: int, images: int) -> None:
        self._epochs, self._images = epochs, images

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """An epoch each; then, as long as what they took allows."""
        timing = [
            NewChild(key, short(training, 1, {"batch_size": size})) for size, key in self._timed(training).items()
        ]
        if not have_ended(timing, children):
            return timing
        return [*timing, *self._trials(training, children)]

    def _trials(self, training: TrainingSpec, children: Children) -> list[NewChild]:
        seconds = {one.value: one.seconds for one in tried(children, self._timed(training)) if one.loss is not None}
        present = seconds.get(size_of(training))
        if present is None:
            return []
        keys = self._tried(training)
        epochs = {size: _fitting(self._epochs * present / taken, self._epochs) for size, taken in seconds.items()}
        return [NewChild(keys[size], short(training, count, {"batch_size": size})) for size, count in epochs.items()]

    def decide(self, training: TrainingSpec, children: Children) -> Decision:
        """The smallest loss; of those within luck of it the largest batch, which leaves most to faster devices."""
        found = tried(children, self._tried(training))
        good = as_good_as_best(found)
        if not good:
            reason = "No short training told of any size, so it stays as it was."
            return Decision(self.name, {}, reason, list(rows(found)))
        size = max(one.value for one in good)
        reason = (
            f"Validation losses after equal time, by size: {told(found)}. {size} is the largest as good as the best."
        )
        return Decision(self.name, {"batch_size": size}, reason, list(rows(found)))

    def _sizes(self, training: TrainingSpec) -> list[int]:
        present = size_of(training)
        sizes = {round(present * factor) for factor in FACTORS}
        most = self._images // training.accumulation_steps
        fitting = {size for size in sizes if 1 < size <= most and size % training.devices == 0} | {present}
        return sorted(fitting) if len(fitting) > 1 else []

    def _timed(self, training: TrainingSpec) -> dict[int, str]:
        return {size: f"{self.name}/time/{size}" for size in self._sizes(training)}

    def _tried(self, training: TrainingSpec) -> dict[int, str]:
        return {size: f"{self.name}/trial/{size}" for size in self._sizes(training)}


def size_of(training: TrainingSpec) -> int:
    """The batch size, which a tuning takes as a number alone."""
    assert training.batch_size != "auto"  # noqa: S101 - the spec refuses it
    return training.batch_size


def _fitting(epochs: float, usual: int) -> int:
    return max(1, min(round(epochs), MOST_EPOCHS * usual))
