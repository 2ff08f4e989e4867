"""The batch size where it is left open: as large as the gradient's noise makes worth it, and as memory allows."""

import gc
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.domain.noise_scale import ASSUMED, noise_scale, worthwhile_batch
from app.domain.specs.leaf import LeafSpec
from app.domain.specs.parts import Augmentation
from app.domain.suggestion import FALLBACK
from worker.engine.batches import Batch, Batches
from worker.engine.determinism import determinism
from worker.engine.device import Resolution, autocast, choose_precision, memory_errors
from worker.engine.draws import Use, preserved, seed_torch
from worker.engine.errors import DeviceOutOfMemory
from worker.engine.host import host_bytes
from worker.engine.optim import build_optimizer, set_rates

# Gradients of parts and of wholes of so many parts; the last steps count, since the first see nothing but the start.
_PART, _MOST_PARTS, _STEPS, _COUNTED = 16, 8, 40, 20
# Of the memory, the share that a training may take; and bytes for each that the backward pass needs kept.
_SHARE, _KEPT_TIMES = 0.5, 2


@dataclass(frozen=True)
class Openly:
    """The work, as far as it is known without a batch size; `batches` makes batches of a size, for one process."""

    spec: LeafSpec
    device: torch.device
    images: int
    new_network: Callable[[], nn.Module]
    batches: Callable[[int], Batches]
    augmentation: Augmentation
    devices: int = 1  #: that share each batch

    def network(self) -> nn.Module:
        """A fresh one, the same every time."""
        seed_torch(self.spec.seed, use=Use.NETWORK)
        return self.new_network().train()

    def stream(self, size: int, steps: int) -> Iterator[Batch]:
        """The first batches of a training."""
        return self.batches(size).shuffled(self.spec.seed, augmentation=self.augmentation, stop=steps)


def choose_batch_size(work: Openly) -> dict[str, Resolution]:
    """Measure the noise scale over some steps, then look what fits. Leaves torch's global generators as they were.

    Returns `batch_size`, and `noise_scale` where it could be measured: null where noise hides the true gradient.
    """
    with preserved(work.device), determinism(work.spec.deterministic):
        noise = measured_noise(work)
        if math.isnan(noise):
            wanted, why = min(ASSUMED, work.images), "the gradients of a few steps could not be measured"
        else:
            wanted = worthwhile_batch(noise, images=work.images)
            why = f"the gradient noise scale over {_COUNTED} of the first {_STEPS} steps is {noise:.3g}"
        fitting = _shared(_fitting(work, wanted), work.devices)
    if fitting < _shared(wanted, work.devices):
        why += f", but memory has no room for {wanted}"
    size = Resolution(fitting, "measured", f"{why}; {work.images} images to train on")
    return {"batch_size": size} if math.isnan(noise) else {"batch_size": size, "noise_scale": _told(noise)}


def _told(noise: float) -> Resolution:
    if math.isinf(noise):
        return Resolution(None, "measured", "noise hides the true gradient: no batch is large enough to see it")
    return Resolution(noise, "measured", "the batch size at which noise and true gradient are equally large")


def measured_noise(work: Openly) -> float:
    """The noise scale as this network learns at a careful rate; NaN where there are too few images or it diverges."""
    parts = min(_MOST_PARTS, work.images // _PART)
    if parts < 2:
        return math.nan
    network, optimizer = work.network(), work.spec.optimizer.model_copy(update={"weight_decay": 0.0})
    stepping, sums = build_optimizer(network, optimizer), torch.zeros(2, dtype=torch.float64)
    for step, batch in enumerate(work.stream(parts * _PART, _STEPS)):
        seed_torch(work.spec.seed, use=Use.DROPOUT, position=step)
        squares = _take_step(network, stepping, batch, parts=parts, rate=FALLBACK[optimizer.name])
        if step >= _STEPS - _COUNTED:
            sums += squares.cpu()
    small, big = (sums / _COUNTED).tolist()
    return noise_scale(small, big, small_size=_PART, big_size=parts * _PART) if math.isfinite(small) else math.nan


def _take_step(network: nn.Module, stepping: torch.optim.Optimizer, batch: Batch, *, parts: int, rate: float) -> Tensor:
    """Mean squared norm of the parts' gradients, and that of the whole's, which the step is taken with."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    total, small = [torch.zeros_like(weight) for weight in weights], torch.zeros((), dtype=torch.float64)
    for rows in batch.rows(parts):
        part = batch.part(rows)
        loss = functional.cross_entropy(network(part.images()), part.labels)
        gradients = torch.autograd.grad(loss, weights)
        small = small.to(loss.device) + _square(gradients) / parts
        torch._foreach_add_(total, gradients, alpha=1 / parts)
    for weight, gradient in zip(weights, total, strict=True):
        weight.grad = gradient
    set_rates(stepping, rate, None)
    stepping.step()
    return torch.stack((small, _square(total)))


def _square(gradients: "list[Tensor] | tuple[Tensor, ...]") -> Tensor:
    return torch.stack([gradient.double().square().sum() for gradient in gradients]).sum()


def _shared(size: int, devices: int) -> int:
    return max(devices, size - size % devices)


def _fitting(work: Openly, wanted: int) -> int:
    """The size, or the largest half, quarter … of it that fits; the job itself says so where not even 1 does."""
    size = wanted
    while size > 1 and not _fits(work, -(-size // work.devices)):
        size //= 2
    return size


def _fits(work: Openly, size: int) -> bool:
    """On a GPU by trying; a host that is full kills instead of refusing, so there by what a few images keep."""
    if work.device.type != "cuda":
        few = min(_PART, size)
        return _kept_bytes(work, few) / few * size * _KEPT_TIMES <= _SHARE * host_bytes()
    gc.collect()
    torch.cuda.empty_cache()
    try:
        with memory_errors():
            _try(work, size)
    except DeviceOutOfMemory:
        return False
    return True


def _try(work: Openly, size: int) -> None:
    """Two steps, because the optimizer's own state comes with the first."""
    network = work.network()
    stepping = build_optimizer(network, work.spec.optimizer.model_copy(update={"weight_decay": 0.0}))
    for batch in work.stream(size, 2):
        set_rates(stepping, 0.0, None)
        _loss(work, network, batch).backward()  # type: ignore[no-untyped-call]
        stepping.step()
    torch.cuda.synchronize(work.device)


def _kept_bytes(work: Openly, size: int) -> int:
    """What the forward pass of so many images keeps for the backward one, weights left out."""
    network, kept = work.network(), dict[int, int]()
    weights = {weight.data_ptr() for weight in network.parameters()}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        _loss(work, network, next(work.stream(size, 1)))
    return sum(kept.values())


def _loss(work: Openly, network: nn.Module, batch: Batch) -> Tensor:
    precision = str(choose_precision(work.spec.precision, work.device).value)
    with autocast(work.device, precision):
        logits = network(batch.images())
    return functional.cross_entropy(logits.float(), batch.labels)
