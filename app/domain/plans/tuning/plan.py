"""The plan of a tuning: its stages one after the other, each with what the ones before have decided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.domain.catalog import architectures
from app.domain.plans.family import Children, NewChild, Planned, Step, StepsPerEpoch
from app.domain.plans.tuning.batch_norm import BatchNormStage
from app.domain.plans.tuning.batch_size import BatchSizeStage, size_of, with_size
from app.domain.plans.tuning.budget import affordable
from app.domain.plans.tuning.momentum import MomentumStage
from app.domain.plans.tuning.searching import Asked, Propose, SearchStage, Space
from app.domain.plans.tuning.stage import Decision, Stage
from app.domain.plans.tuning.weight_decay import WeightDecayStage
from app.domain.specs.layers import CustomArchitecture
from app.domain.specs.training import TrainingSpec, as_training
from app.domain.specs.tuning import TuningSpec, changed, samples_of, short

_WHY = "Steps of a pass over the training images, as the data set and the batch size have them."


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a tuning is: what was decided, and the training with it."""

    training: TrainingSpec
    decisions: Sequence[Decision]
    new: Sequence[NewChild]
    is_over: bool


class TuningPlan:
    """One tuning."""

    def __init__(self, spec: TuningSpec) -> None:
        self.spec = spec

    def settle(self, steps_per_epoch: StepsPerEpoch) -> dict[str, dict[str, Any]]:
        """How long an epoch is, which the prior of the weight decay needs."""
        steps = steps_per_epoch(as_training(self.spec))
        return {"steps_per_epoch": {"value": steps, "origin": "data", "reason": _WHY}}

    def has_outcome(self, children: Children) -> bool:
        """Whether any of its jobs succeeded; where none was needed, the reasons are all there is."""
        return not children or any(child.succeeded for child in children.values())

    def planned(self, resolved: Mapping[str, Any]) -> list[Planned]:
        """What is checked, and the jobs of every stage."""
        training = as_training(self.spec)
        return [
            Planned(short(training, self.spec.short_epochs, {}), 0),
            *self._searched(training),
            *(replace(one, is_derived=True) for one in self._jobs(resolved)),
        ]

    def smallest_batch(self, resolved: Mapping[str, Any]) -> int:
        """That any of its jobs has, so that the training may come to have it."""
        return _smallest(as_training(self.spec), self._jobs(resolved))

    def _jobs(self, resolved: Mapping[str, Any]) -> list[Planned]:
        """Those of later stages with the smallest batch that an earlier one may choose."""
        training, jobs = as_training(self.spec), list[Planned]()
        for stage in self._stages(training, int(resolved["steps_per_epoch"]["value"]), _any_point):
            jobs += stage.planned(training)
            training = with_size(training, _smallest(training, jobs))
        return jobs

    def _searched(self, training: TrainingSpec) -> Iterator[Planned]:
        """Samples of what is searched, to be checked and not counted."""
        for path, space in (self.spec.search.fields if self.spec.search else {}).items():
            for value in samples_of(space):
                sample = short(training, self.spec.short_epochs, {path: value})
                place, own = ("search", "fields", path), frozenset({path.partition(".")[0]})
                yield Planned(sample, 0, place=place, own=own, is_at_place=True)

    def advance(self, resolved: Mapping[str, Any], children: Children, propose: Propose) -> Step:
        """The jobs of the present stage."""
        standing = self.standing(resolved, children, propose)
        total = max(sum(one.times for one in self._jobs(resolved)), len(children) + len(standing.new))
        return Step(standing.new, len(children) if standing.is_over else total, standing.is_over)

    def standing(self, resolved: Mapping[str, Any], children: Children, propose: Propose) -> Standing:
        """Go through the stages, as far as they have come."""
        training, decisions = as_training(self.spec), list[Decision]()
        for stage in self._stages(training, int(resolved["steps_per_epoch"]["value"]), propose):
            wanted = [one for one in stage.wanted(training, children) if one.key not in children]
            new = [self._reusing(one) for one in affordable(wanted, children, self.spec.budget_seconds)]
            if new or _is_busy(stage, children):
                return Standing(training, decisions, new, is_over=False)
            decision = stage.decide(training, children)
            decisions.append(decision.cut_short() if wanted else decision)
            training = changed(training, decision.values)
        return Standing(training, decisions, [], is_over=True)

    def _reusing(self, child: NewChild) -> NewChild:
        """Range tests are taken over unless that is refused, trainings only where it is asked for."""
        return replace(child, reuse=True) if self.spec.reuse else child

    def _stages(self, training: TrainingSpec, steps_per_epoch: int, propose: Propose) -> list[Stage]:
        epochs, reuse, has_norm = self.spec.short_epochs, self.spec.reuse is not False, has_batch_norm(training)
        made: dict[str, Stage] = {
            "batch_size": BatchSizeStage(
                epochs=epochs, images=steps_per_epoch * size_of(training) * training.accumulation_steps
            ),
            "weight_decay": WeightDecayStage(
                epochs=epochs, steps=steps_per_epoch, given=size_of(training), has_batch_norm=has_norm, reuse=reuse
            ),
            "momentum": MomentumStage(epochs=epochs, reuse=reuse),
            "batch_norm_momentum": BatchNormStage(epochs=epochs, has_batch_norm=has_norm),
        }
        stages = [made[name] for name in self.spec.tune]
        if self.spec.search is not None:
            stages.append(SearchStage(self.spec.search, epochs=epochs, seed=self.spec.seed, propose=propose))
        return stages


def _any_point(_: Space, __: Sequence[Asked], count: int, ___: int) -> Sequence[Mapping[str, Any]]:
    """Where nothing is made of what is proposed, no sampler is needed."""
    return [{}] * count


def _smallest(training: TrainingSpec, jobs: Sequence[Planned]) -> int:
    specs = (one.spec for one in jobs if isinstance(one.spec, TrainingSpec))
    return min(map(size_of, [training, *specs]))


def _is_busy(stage: Stage, children: Children) -> bool:
    return any(not child.ended for key, child in children.items() if key.startswith(f"{stage.name}/"))


def has_batch_norm(training: TrainingSpec) -> bool:
    """Whether its network has any."""
    if isinstance(training.architecture, CustomArchitecture):
        return '"type":"batch_norm"' in training.architecture.model_dump_json()
    return architectures()[training.architecture.name].batch_norm
