"""Several processes that train one network together, each on a device of its own, and what they tell each other."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from worker.engine.events import Stop

_T = TypeVar("_T")
Call = Callable[[Tensor], Tensor]

# The others wait while the first decodes a data set or compiles. One that is gone is noticed at once all the same.
LONGEST_WAIT = timedelta(days=1)
_STOPS = (None, Stop.CANCEL, Stop.YIELD)


@dataclass(frozen=True)
class Share:
    """The rows of a step that are one rank's; at hand is also the one before them, which the first is mixed with."""

    rows: range
    whole: int

    @property
    def held(self) -> range:
        """The rows at hand; -1 is the last of the step."""
        return range(self.rows.start - 1, self.rows.stop)


class Ranks:
    """One process alone, which decides everything and has nobody to tell."""

    number = 0
    count = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that measures, decides and writes."""
        return self.number == 0

    def share(self, rows: int) -> range:
        """Which of so many rows are this rank's: they follow each other, and so do the ranks'."""
        return range(rows * self.number // self.count, rows * (self.number + 1) // self.count)

    def share_of_step(self, _rows: int) -> Share | None:
        """The same for the images of a step; None where all of them are."""
        return None

    def agree(self, number: int) -> int:
        """What the first rank says, for all to do the same at the same step. Waits for no device."""
        return number

    def agree_on_stop(self, stop: Stop | None) -> Stop | None:
        """Whether to stop, as the first rank was asked."""
        return _STOPS[self.agree(_STOPS.index(stop))]

    def tell(self, compute: Callable[[], _T]) -> _T:
        """What the first rank computes; the others wait for it."""
        return compute()

    def after_the_first(self, work: Callable[[], _T]) -> _T:
        """Do something when the first rank has done it: what that one left on the disk, the others find there."""
        return work()

    def add_up(self, numbers: Tensor) -> Tensor:
        """The sum over all ranks, with the same bits on each; takes and returns numbers in host memory."""
        return numbers

    def take_buffers(self, network: nn.Module) -> None:
        """Have the first rank's buffers, batch-norm statistics among them, on every rank."""

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each by its mean over all ranks."""

    def averaging(self, forward: Call) -> Call:
        """A network, plain or compiled, whose gradients are averaged over all ranks as they are computed."""
        return forward

    def keeping(self, _forward: Call) -> AbstractContextManager[None]:
        """While gradients are only gathered: let every rank keep its own."""
        return nullcontext()


ALONE = Ranks()


class JoinedRanks(Ranks):
    """One of several; all must ask the same questions in the same order, or they wait for each other for ever."""

    def __init__(self, number: int, *, count: int, gradients: dist.ProcessGroup | None) -> None:
        self.number, self.count = number, count
        self._gradients = gradients  #: where tensors of the device travel; all else goes through the CPU

    def share_of_step(self, rows: int) -> Share | None:
        """This rank's."""
        return Share(self.share(rows), rows)

    def agree(self, number: int) -> int:
        """Through the CPU: a GPU would have to be waited for."""
        said = torch.tensor([number])
        dist.broadcast(said, 0)
        return int(said.item())

    def tell(self, compute: Callable[[], _T]) -> _T:
        """By pickle, among processes of one worker."""
        told = [compute() if self.leads else None]
        dist.broadcast_object_list(told, 0)
        return told[0]  # type: ignore[return-value]

    def after_the_first(self, work: Callable[[], _T]) -> _T:
        """The others at once, and then all go on."""
        if not self.leads:
            dist.barrier()
        result = work()
        if self.leads:
            dist.barrier()
        return result

    def add_up(self, numbers: Tensor) -> Tensor:
        """Every rank adds the same numbers in the same order: no two may differ in what they make of a sum."""
        gathered = [torch.empty_like(numbers) for _ in range(self.count)]
        dist.all_gather(gathered, numbers)
        return torch.stack(gathered).sum(0)

    def take_buffers(self, network: nn.Module) -> None:
        """One after the other: it is done once an epoch."""
        for buffer in network.buffers():
            dist.broadcast(buffer, 0, group=self._gradients)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """On the device."""
        for tensor in tensors:
            dist.all_reduce(tensor, group=self._gradients)
            tensor.div_(self.count)

    def averaging(self, forward: Call) -> Call:
        """Buffers are shared when they are looked at, by `take_buffers`, instead of at every step."""
        assert isinstance(forward, nn.Module)  # noqa: S101 - compiled, it still is one
        with warnings.catch_warnings():
            # What is to be said instead, `forward_sync_buffers`, only newer versions of torch know.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
            return DistributedDataParallel(forward, process_group=self._gradients, broadcast_buffers=False)

    def keeping(self, forward: Call) -> AbstractContextManager[None]:
        """Until the last part of a step, whose backward pass averages the sum."""
        assert isinstance(forward, DistributedDataParallel)  # noqa: S101 - `averaging` made it
        return forward.no_sync()


@contextmanager
def joined(device: torch.device, *, number: int, count: int, meeting: Path) -> Iterator[Ranks]:
    """Join the other ranks at a file that was not there before; on a CPU each takes its share of the cores."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    store = dist.FileStore(str(meeting), count)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=number, world_size=count, timeout=LONGEST_WAIT)
    gradients: Any = dist.new_group(backend="nccl", timeout=LONGEST_WAIT) if device.type == "cuda" else None
    yield JoinedRanks(number, count=count, gradients=gradients)
    dist.destroy_process_group()  # after a failure it could wait for what will not come, and the reason with it


def tells_of_a_lost_rank(error: RuntimeError) -> bool:
    """Whether it says that another rank is gone. NCCL's errors have a class for that, gloo's only their text."""
    return isinstance(error, dist.DistError) or "/gloo/" in str(error)
