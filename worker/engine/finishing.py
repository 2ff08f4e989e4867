"""How a training's batch-norm statistics begin, and with which of them its best weights end."""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from app.domain.batch_norm import Comparison, Followed, momenta_around, rule_momentum
from app.domain.specs.training import TrainingSpec
from worker.engine.batch_norm import plain_batches, recompute_statistics
from worker.engine.evaluation import Score, until_stopped
from worker.engine.events import Control, EpochDone, Logged, Warned
from worker.engine.loop import Stepper
from worker.engine.norm_layers import has_statistics, statistics_of
from worker.engine.shadows import ShadowStatistics, copy_statistics, set_momentum
from worker.engine.workload import Workload


def begin_statistics(stepper: Stepper, spec: TrainingSpec, *, updates: int) -> ShadowStatistics | None:
    """Set the momentum that the spec gives, or begin to follow several through so many updates of the statistics.

    Epochs are evaluated with the rule's: to choose anew at each would cost a pass over 8,192 images, and the best
    epoch would be the luckiest of several looks at it.
    """
    momentum, network = spec.batch_norm_momentum, stepper.network
    if momentum == "auto" and has_statistics(network):
        shadows = ShadowStatistics(network, momenta_around(rule_momentum(updates)))
        stepper.after_forward = shadows.update
        return shadows
    if momentum is not None and momentum != "auto":
        set_momentum(network, momentum)
    return None


class Finish:
    """The statistics of the best weights: as they are, exact, or the running ones that came closest to those."""

    def __init__(
        self, workload: Workload, spec: TrainingSpec, *, control: Control, shadows: ShadowStatistics | None
    ) -> None:
        self._workload, self._spec, self._control, self._shadows = workload, spec, control, shadows
        self.comparison: Comparison | None = None

    def settle(self, network: nn.Module, epoch: EpochDone, score: Callable[[], Score]) -> EpochDone:
        """Leave `network`, which has the weights of `epoch`, with its statistics; returns its scores with them.

        `score` looks at the network as it is, on the validation images.
        """
        asked = [name for name in ("exact_batch_norm", "batch_norm_momentum") if getattr(self._spec, name)]
        if asked and not has_statistics(network):
            detail = f"{' and '.join(asked)} changed nothing: there is no batch norm"
            self._control.emit(Warned("no_batch_norm", detail))
            return epoch
        if not self._spec.exact_batch_norm and self._shadows is None:
            return epoch
        self._recompute(network)
        exact = score()
        picked = exact if self._shadows is None else self._picked(network, exact, score, shadows=self._shadows)
        if self._spec.exact_batch_norm:
            change = f"{epoch.validation_accuracy:.2%} → {exact.accuracy:.2%}"
            self._control.emit(Logged("info", f"Validation accuracy with exact batch-norm statistics: {change}."))
        return replace(epoch, validation_loss=picked.loss, validation_accuracy=picked.accuracy)

    def _recompute(self, network: nn.Module) -> None:
        work = self._workload
        batches = until_stopped(plain_batches(work), self._control, work.ranks)
        recompute_statistics(network, batches, precision=work.precision, ranks=work.ranks)

    def _picked(
        self, network: nn.Module, exact: Score, score: Callable[[], Score], *, shadows: ShadowStatistics
    ) -> Score:
        """Compare all momenta with the exact statistics that the network has; leave it with the best, or with those."""
        kept = [tensor.clone() for tensor in statistics_of(network)]
        scores = [_shown(shadows, network, place, score) for place in range(len(shadows.momenta))]
        followed = [
            Followed(momentum, one.loss, one.accuracy) for momentum, one in zip(shadows.momenta, scores, strict=True)
        ]
        self.comparison = Comparison(followed, exact.loss, exact.accuracy)
        self._control.emit(
            Logged("info", f"Batch-norm momentum {self.comparison.picked.momentum:.3g}. {self.comparison.reason}")
        )
        set_momentum(network, self.comparison.picked.momentum)
        place = followed.index(self.comparison.picked)
        if self._spec.exact_batch_norm:
            copy_statistics(kept, statistics_of(network))
            return exact
        shadows.show_best(network, place)
        return scores[place]


def _shown(shadows: ShadowStatistics, network: nn.Module, place: int, score: Callable[[], Score]) -> Score:
    shadows.show_best(network, place)
    return score()
