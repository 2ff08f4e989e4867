"""Where a training stands, as plain numbers: what its checkpoints hold beside the tensors."""

from dataclasses import asdict, dataclass
from typing import Any

from worker.engine.events import EpochDone
from worker.engine.loop import Block

# Kernels are chosen and memory is claimed in the first steps of a process.
WARM_UP_STEPS = 5


@dataclass
class EpochSums:
    """Running sums over the optimizer steps of the present epoch."""

    steps: int = 0
    loss: float = 0.0
    hits: int = 0
    timed_steps: int = 0
    timed_seconds: float = 0.0
    began_seconds: float = 0.0

    def add(self, block: Block, *, timed: bool) -> None:
        """Take a block in; one of the first steps of a process says nothing about speed."""
        self.steps += len(block.loss)
        self.loss += sum(block.loss)
        self.hits += block.hits
        if timed:
            self.timed_steps += len(block.loss)
            self.timed_seconds += block.seconds


@dataclass
class Standing:
    """Optimizer steps and epochs done, the best and the last epoch, and the seconds it took."""

    step: int
    epochs_done: int
    sums: EpochSums
    best: EpochDone | None = None
    last: EpochDone | None = None
    stopped_early: bool = False
    timed_steps: int = 0
    timed_seconds: float = 0.0
    seconds: float = 0.0

    @classmethod
    def at_start(cls) -> "Standing":
        """Before the first step."""
        return cls(step=0, epochs_done=0, sums=EpochSums())

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> "Standing":
        """Read what `plain` wrote."""
        best, last = (EpochDone(**data[name]) if data[name] else None for name in ("best", "last"))
        return cls(**{**data, "sums": EpochSums(**data["sums"]), "best": best, "last": last})

    def plain(self) -> dict[str, Any]:
        """As numbers and dictionaries, which `torch.load(weights_only=True)` reads."""
        return asdict(self)

    def close_epoch(self, epoch: EpochDone) -> bool:
        """Take the finished epoch in; says whether it is the best so far."""
        improved = self.best is None or rank(epoch) > rank(self.best)
        self.best = epoch if improved else self.best
        self.last = epoch
        self.epochs_done = epoch.epoch
        self.timed_steps += self.sums.timed_steps
        self.timed_seconds += self.sums.timed_seconds
        self.sums = EpochSums(began_seconds=self.sums.began_seconds + epoch.seconds)
        return improved


def rank(epoch: EpochDone) -> tuple[float, float]:
    """What makes an epoch the best: validation accuracy, then the lower loss; a loss that is no number comes last."""
    loss = epoch.validation_loss
    return epoch.validation_accuracy, -loss if loss == loss else float("-inf")  # noqa: PLR0124 - NaN differs from itself
