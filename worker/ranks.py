"""The processes of a training on several devices: the first speaks for all, the others train alike and keep quiet."""

from collections.abc import Iterator
from contextlib import contextmanager

from worker.engine.device import choose_device
from worker.engine.events import Event, Stop
from worker.engine.parallel import ALONE, Ranks, joined
from worker.messages import Assignment, Message, ModelMade
from worker.outputs import Outputs


@contextmanager
def joined_ranks(assignment: Assignment) -> Iterator[Ranks]:
    """The other ranks of this training, where there are any."""
    rank = assignment.rank
    if rank is None:
        yield ALONE
        return
    device = choose_device(assignment.device)
    with joined(device, number=rank.number, count=rank.count, meeting=rank.meeting) as ranks:
        yield ranks


class Silence:
    """The line of a rank other than the first: whether to stop, it hears from that one."""

    def emit(self, event: Event) -> None:
        """The first rank says the same."""

    def stop_requested(self) -> Stop | None:
        """Not for this rank to answer."""
        return None

    def send(self, message: Message) -> None:
        """The first rank says the same."""


class NoOutputs(Outputs):
    """The files of a rank other than the first: the first writes them."""

    def draw_range_test(self, *_: object, **__: object) -> None:
        """Nothing."""

    def draw_verification(self, *_: object, **__: object) -> None:
        """Nothing."""

    def draw_batch_norm(self, *_: object, **__: object) -> None:
        """Nothing."""

    def draw_noise_scale(self, *_: object, **__: object) -> None:
        """Nothing."""

    def draw_training(self, *_: object, **__: object) -> None:
        """Nothing."""

    def draw_confusion(self, *_: object, **__: object) -> None:
        """Nothing."""

    def export(self, *_: object, **__: object) -> ModelMade:
        """A model without files, which nobody is told of."""
        return ModelMade({}, [])
