"""How good a network is on images it did not train on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.engine.batches import Batches
from worker.engine.device import autocast
from worker.engine.errors import Stopped
from worker.engine.events import Control
from worker.engine.parallel import ALONE, Ranks

_Batch = TypeVar("_Batch")

MOST_COUNTED = 1000  #: classes; of more a table of all pairs would be large, and read by nobody


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy and share of right answers; where asked for, how often which class was taken for which."""

    loss: float
    accuracy: float
    counts: Tensor | None = None  #: (C, C) int64: rows are what an image is, columns what it was taken for


@dataclass(frozen=True)
class Confusion:
    """Which class the final network took for which, in the split that says so with the least prejudice."""

    split: Literal["test", "validation"]
    counts: Tensor  #: as in `Score`


@torch.no_grad()
def evaluate(
    network: nn.Module,
    batches: Batches,
    *,
    precision: str,
    control: Control,
    mirrored_too: bool = False,
    count_classes: int = 0,
    ranks: Ranks = ALONE,
) -> Score:
    """Look at every image once, unchanged; the network's mode is left as found. Raises Stopped between batches.

    `mirrored_too` averages the logits of each image and its mirror, which takes twice as long. `count_classes`, how
    many classes there are, asks for `counts`. Of several ranks each looks at its share, and all come to the same score.
    """
    was_training = network.training
    network.eval()
    ranks.take_buffers(network)
    try:
        sums = torch.zeros(2, dtype=torch.float64)
        pairs = torch.zeros(count_classes**2, dtype=torch.int64)
        for pixels, labels in until_stopped(batches.in_order(), control, ranks):
            if not len(labels):  # fewer images than ranks
                continue
            with autocast(pixels.device, precision):
                logits = network(pixels).float()
                if mirrored_too:
                    logits = (logits + network(pixels.flip(-1)).float()) / 2
            loss = functional.cross_entropy(logits, labels, reduction="sum")
            guesses = logits.argmax(1)
            hits = (guesses == labels).sum()
            sums += torch.stack((loss, hits.to(loss.dtype))).cpu()  # waits for the GPU, once in a large batch
            if count_classes:
                pairs += torch.bincount((labels * count_classes + guesses).cpu(), minlength=len(pairs))
    finally:
        network.train(was_training)
    loss_sum, hit_sum = ranks.add_up(sums).tolist()
    counts = ranks.add_up(pairs).reshape(count_classes, count_classes) if count_classes else None
    return Score(loss_sum / len(batches), hit_sum / len(batches), counts)


def until_stopped(batches: Iterable[_Batch], control: Control, ranks: Ranks = ALONE) -> Iterator[_Batch]:
    """The batches, with a question before each whether to go on; raises Stopped, on all ranks at the same batch."""
    for batch in batches:
        if (request := ranks.agree_on_stop(control.stop_requested())) is not None:
            raise Stopped(request)
        yield batch
