"""How good a network is on images it did not train on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional

from worker.engine.batches import Batches
from worker.engine.device import autocast
from worker.engine.errors import Stopped
from worker.engine.events import Control
from worker.engine.parallel import ALONE, Ranks

_Batch = TypeVar("_Batch")


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy and share of right answers."""

    loss: float
    accuracy: float


@torch.no_grad()
def evaluate(
    network: nn.Module,
    batches: Batches,
    *,
    precision: str,
    control: Control,
    mirrored_too: bool = False,
    ranks: Ranks = ALONE,
) -> Score:
    """Look at every image once, unchanged; the network's mode is left as found. Raises Stopped between batches.

    `mirrored_too` averages the logits of each image and its mirror, which takes twice as long. Of several ranks each
    looks at its share, and all come to the same score.
    """
    was_training = network.training
    network.eval()
    ranks.take_buffers(network)
    try:
        sums = torch.zeros(2, dtype=torch.float64)
        for pixels, labels in until_stopped(batches.in_order(), control, ranks):
            if not len(labels):  # fewer images than ranks
                continue
            with autocast(pixels.device, precision):
                logits = network(pixels).float()
                if mirrored_too:
                    logits = (logits + network(pixels.flip(-1)).float()) / 2
            loss = functional.cross_entropy(logits, labels, reduction="sum")
            hits = (logits.argmax(1) == labels).sum()
            sums += torch.stack((loss, hits.to(loss.dtype))).cpu()  # waits for the GPU, once in a large batch
    finally:
        network.train(was_training)
    loss_sum, hit_sum = ranks.add_up(sums).tolist()
    return Score(loss_sum / len(batches), hit_sum / len(batches))


def until_stopped(batches: Iterable[_Batch], control: Control, ranks: Ranks = ALONE) -> Iterator[_Batch]:
    """The batches, with a question before each whether to go on; raises Stopped, on all ranks at the same batch."""
    for batch in batches:
        if (request := ranks.agree_on_stop(control.stop_requested())) is not None:
            raise Stopped(request)
        yield batch
