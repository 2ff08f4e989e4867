"""After a device or the machine ran out of memory: which batch size there would have been room for."""

import gc
from dataclasses import replace

import torch

from app.domain.specs.parts import Adam, AdamW, Sgd
from worker.engine.device import memory_errors
from worker.engine.draws import preserved
from worker.engine.errors import BatchTooSmall, DeviceOutOfMemory
from worker.engine.loop import Stepper
from worker.engine.parallel import ALONE
from worker.engine.workload import Workload


def largest_fitting(workload: Workload, optimizer: Sgd | Adam | AdamW) -> int | None:
    """The largest half, quarter, … of the batch size that takes two optimizer steps, or None where not even 1 does.

    To be called when nothing of the failed work is alive any more. Of several ranks any may call it: it tries its own
    share, without a word to the others.
    """
    devices = workload.ranks.count
    size = workload.training.batch_size // workload.accumulation_steps // devices // 2
    while size and not _fits(replace(workload, accumulation_steps=1, ranks=ALONE), optimizer, size=size):
        size //= 2
    return size * devices or None


def _fits(workload: Workload, optimizer: Sgd | Adam | AdamW, *, size: int) -> bool:
    gc.collect()  # an exception's frames hold on to what they computed
    if workload.device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        with preserved(workload.device), memory_errors():
            _take_two_steps(workload, optimizer, size=size)
    except (DeviceOutOfMemory, MemoryError, BatchTooSmall):
        return False
    return True


def _take_two_steps(workload: Workload, optimizer: Sgd | Adam | AdamW, *, size: int) -> None:
    """A part of two steps whose bytes are all there; two, because the optimizer's own state comes with the first."""
    stepper = Stepper(workload, optimizer.model_copy(update={"weight_decay": 0.0}))  # open still, perhaps
    batches = workload.training.shuffled(workload.seed, augmentation=workload.augmentation, stop=2)
    for step, batch in enumerate(batches):
        some = batch.part(batch.rows(1)[0][:size])
        loss, _ = stepper.step(some, step=step, learning_rate=0.0, momentum=None)
    loss.item()  # waits for the device, which may say so only then
