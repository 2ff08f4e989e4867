"""The optimizer step that range test and training share, and the ledger that brings its numbers home."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor, nn

from app.domain.specs.parts import Adam, AdamW, Sgd
from worker.engine.batches import Batch
from worker.engine.device import autocast
from worker.engine.draws import Use, generator, seed_torch
from worker.engine.errors import TOO_FEW_VALUES, BatchTooSmall
from worker.engine.events import StepsDone
from worker.engine.mixing import Drawn, draw_blend, draw_squares
from worker.engine.optim import build_optimizer, momentum_of, set_rates
from worker.engine.parallel import ALONE, Ranks
from worker.engine.stages import freeze_body
from worker.engine.workload import Workload


class Stepper:
    """A network, its optimizer, and one step of it after the other."""

    def __init__(self, workload: Workload, optimizer: Sgd | Adam | AdamW) -> None:
        self.network = workload.fresh_network().train()
        self._forward = workload.forward_of(self.network)
        self._is_frozen = False
        self.optimizer = build_optimizer(self.network, optimizer, layer_lr_decay=workload.layer_lr_decay)
        self.scaler = torch.amp.GradScaler(workload.device.type, enabled=workload.precision == "fp16")
        self._workload = workload
        self.after_forward: Callable[[], None] | None = None  #: called after every part of a step

    def freeze(self, *, is_frozen: bool) -> None:
        """Let the head alone learn, or the whole network."""
        freeze_body(self.network, is_frozen=is_frozen)
        if is_frozen != self._is_frozen and self._workload.ranks.count > 1:
            self._forward = self._workload.forward_of(self.network)  # the ranks wait for what learns, and only for that
        self._is_frozen = is_frozen

    def step(self, batch: Batch, *, step: int, learning_rate: float, momentum: float | None) -> tuple[Tensor, Tensor]:
        """Train on the images of one step; returns their loss before it and their hits, both still on the device.

        With accumulation they go through the network in equal parts, whose gradients are averaged.
        """
        set_rates(self.optimizer, learning_rate, momentum)
        self.optimizer.zero_grad(set_to_none=True)
        drawn, parts, ranks = (
            self._drawn(len(batch), step=step),
            self._workload.accumulation_steps,
            self._workload.ranks,
        )
        outcomes = []
        for number, rows in enumerate(batch.rows(parts)):
            place = (step * parts + number) * ranks.count + ranks.number
            with ranks.keeping(self._forward) if number < parts - 1 else nullcontext():
                outcomes.append(self._accumulate(batch, rows, drawn=drawn, position=place))
        self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        losses, hits = zip(*outcomes, strict=True)
        return torch.stack(losses).mean(), torch.stack(hits).sum()

    def _drawn(self, count: int, *, step: int) -> Drawn:
        work, squares = self._workload, None
        mixing, side = work.mixing, work.form.side
        if mixing.cutout is not None:
            dice = generator(work.seed, use=Use.CUTOUT, position=step)
            squares = draw_squares(count, mixing.cutout, of=side, device=work.device, generator=dice)
        blend = draw_blend(mixing, side=side, generator=generator(work.seed, use=Use.MIXING, position=step))
        return Drawn(squares, blend)

    def _accumulate(self, batch: Batch, rows: range, *, drawn: Drawn, position: int) -> tuple[Tensor, Tensor]:
        """Add the gradient of one part of a step, as its share of the mean; returns the part's loss and hits."""
        seed_torch(self._workload.seed, use=Use.DROPOUT, position=position)
        images, targets = drawn.apply(batch, rows)
        logits = self._logits(images)
        if self.after_forward is not None:
            self.after_forward()
        loss = targets.loss(logits, label_smoothing=self._workload.label_smoothing)
        self.scaler.scale(loss / self._workload.accumulation_steps).backward()  # type: ignore[no-untyped-call]
        return loss.detach(), targets.hits(logits.detach())

    def _clip(self) -> None:
        if self._workload.gradient_clip is None:
            return
        self.scaler.unscale_(self.optimizer)  # the norm is meant in the loss's own units
        nn.utils.clip_grad_norm_(self.network.parameters(), self._workload.gradient_clip)

    def _logits(self, pixels: Tensor) -> Tensor:
        try:
            with autocast(self._workload.device, self._workload.precision):
                logits = self._forward(pixels)
        except ValueError as error:
            if TOO_FEW_VALUES not in str(error):
                raise
            raise BatchTooSmall(f"Batch norm has a single value per channel in a batch of {len(pixels)}") from error
        return logits.float()

    @property
    def momentum(self) -> float:
        """What the last step was made with: SGD's momentum, Adam's beta1."""
        return momentum_of(self.optimizer)


@dataclass
class Block:
    """Some consecutive steps; `hits` of their images were classified rightly, and they took so many seconds."""

    first_step: int
    learning_rate: list[float] = field(default_factory=list)
    momentum: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    hits: int = 0
    seconds: float = 0.0
    held_out_loss: list[float | None] | None = None

    def event(self, phase: str) -> StepsDone:
        """The block as the caller sees it."""
        return StepsDone(phase, self.first_step, self.learning_rate, self.momentum, self.loss, self.held_out_loss)


class Ledger:
    """Collects what steps return and fetches it in blocks: `.tolist()` waits for the GPU, so not at every step.

    Of several ranks all close a block at the same step, and get the same numbers: means and sums over all of them.
    """

    def __init__(
        self, *, first_step: int, most_steps: int = 50, most_seconds: float = 1.0, ranks: Ranks = ALONE
    ) -> None:
        self._most_steps, self._most_seconds, self._ranks = most_steps, most_seconds, ranks
        self._waiting: list[Tensor] = []
        self._open(first_step)

    def _open(self, first_step: int) -> None:
        self._block = Block(first_step)
        self._waiting = []
        self._began = perf_counter()

    def restart_clock(self) -> None:
        """Leave out of the block's seconds what was no optimizer step, while it is still empty."""
        self._began = perf_counter()

    def add(self, loss: Tensor, hits: Tensor, *, learning_rate: float, momentum: float) -> None:
        """Note one step."""
        self._block.learning_rate.append(learning_rate)
        self._block.momentum.append(momentum)
        self._waiting += [loss, hits.to(loss.dtype)]

    @property
    def is_due(self) -> bool:
        """Whether the block is full or old enough to be shown."""
        steps = len(self._block.learning_rate)
        if steps >= self._most_steps or steps == 0 or self._most_seconds == math.inf:
            return steps >= self._most_steps
        if self._ranks.count > 1 and steps & (steps - 1):  # ranks ask each other after 1, 2, 4, 8 … steps alone
            return False
        return bool(self._ranks.agree(perf_counter() - self._began >= self._most_seconds))

    def __len__(self) -> int:
        return len(self._block.learning_rate)

    def take(self) -> Block:
        """Close the block, waiting for the device."""
        block = self._block
        if self._waiting:
            sums: list[float] = self._ranks.add_up(torch.stack(self._waiting).cpu().double()).tolist()
            block.loss, block.hits = [loss / self._ranks.count for loss in sums[::2]], round(sum(sums[1::2]))
        block.seconds = perf_counter() - self._began
        self._open(block.first_step + len(block.loss))
        return block
