"""What a spec leaves open about the work itself: each choice with where it comes from and why."""

from app.domain import batch_norm
from app.domain.catalog import ArchitectureFact, default_image_size, describe_misfit
from app.domain.specs.leaf import LeafSpec
from app.domain.specs.parts import Augmentation
from app.domain.specs.training import TrainingSpec
from worker.engine import nets
from worker.engine.data import Dataset
from worker.engine.device import AS_THE_SPEC_SAYS, Resolution
from worker.engine.errors import BatchTooSmall, ImageSizeUnfit
from worker.engine.parallel import Ranks


def image_size(spec: LeafSpec, dataset: Dataset, fact: ArchitectureFact) -> Resolution:
    """The user's, or the source's own side, raised to what the network can take."""
    side = dataset.train.side
    if spec.image_size is not None:
        if misfit := describe_misfit(spec.image_size, fact):
            raise ImageSizeUnfit(misfit)
        return Resolution(spec.image_size, "spec", AS_THE_SPEC_SAYS)
    size = default_image_size(side, fact)
    if size == side:
        return Resolution(size, "dataset", "the side of its images")
    return Resolution(size, "architecture", f"{fact.name} does not take {side} px; this is the next side it takes")


def weights(spec: LeafSpec, fact: ArchitectureFact) -> Resolution:
    """Published weights by name, or None."""
    if spec.pretrained is False:
        return Resolution(None, "spec", "fresh weights, as the spec says")
    asked = None if spec.pretrained is True else spec.pretrained
    name = nets.weights_name(fact.name, asked)
    if asked is None:
        return Resolution(name, "default", "the best published ones")
    return Resolution(name, "spec", AS_THE_SPEC_SAYS)


def augmentation(spec: LeafSpec, default: Augmentation) -> Resolution:
    """The user's, or the data set's own."""
    if spec.augmentation == "default":
        return Resolution(default.model_dump(), "dataset", "its default")
    chosen = Augmentation() if spec.augmentation == "none" else spec.augmentation
    return Resolution(chosen.model_dump(), "spec", AS_THE_SPEC_SAYS)


def validation(spec: LeafSpec, default: float) -> Resolution:
    """The share of the training images held out, or the test split."""
    if spec.validation is None:
        return Resolution(default, "dataset", "its default share of the training images")
    return Resolution(spec.validation, "spec", AS_THE_SPEC_SAYS)


def normalization(spec: LeafSpec, weights: str | None) -> Resolution:
    """Whose mean and deviation the pixels are normalised with."""
    if spec.preprocessing is not None and spec.preprocessing.normalize is not None:
        return Resolution(spec.preprocessing.normalize, "spec", AS_THE_SPEC_SAYS)
    if weights:
        return Resolution("imagenet", "pretrained", "the weights were trained with it")
    return Resolution("dataset", "default", "mean and deviation of the training images")


def batch_size(asked: int, images: int, *, ranks: Ranks) -> Resolution:
    """As asked for, or all the images there are."""
    if asked <= images:
        return Resolution(asked, "spec", AS_THE_SPEC_SAYS)
    few = f"only {images} images are left for training beside the held-out ones"
    if ranks.count == 1:
        return Resolution(images, "dataset", few)
    if images < ranks.count:
        raise BatchTooSmall(f"{ranks.count} devices share each batch, and {few}", hint="Lower devices.")
    return Resolution(images - images % ranks.count, "dataset", f"{few}, and {ranks.count} devices share each batch")


def accumulation_steps(spec: LeafSpec, batch_size: int, images: int) -> Resolution:
    """As asked for, or as many batches as there are."""
    most = images // batch_size
    if spec.accumulation_steps <= most:
        return Resolution(spec.accumulation_steps, "spec", AS_THE_SPEC_SAYS)
    return Resolution(most, "dataset", f"the {images} images left for training make no more batches of {batch_size}")


def deterministic(spec: LeafSpec) -> Resolution:
    """Whether only kernels that repeat themselves may run."""
    if not spec.deterministic:
        return Resolution(False, "spec", AS_THE_SPEC_SAYS)
    return Resolution(True, "spec", "deterministic kernels alone, and no trial for the fastest")


def batch_norm_momentum(spec: LeafSpec, *, steps_per_epoch: int, parts: int) -> dict[str, Resolution]:
    """What a training that gives one starts with; "auto" is settled again once its candidates were compared."""
    if not isinstance(spec, TrainingSpec) or spec.batch_norm_momentum is None:
        return {}
    if spec.batch_norm_momentum != "auto":
        return {"batch_norm_momentum": Resolution(spec.batch_norm_momentum, "spec", AS_THE_SPEC_SAYS)}
    updates = spec.epochs * steps_per_epoch * parts
    rule = Resolution(batch_norm.rule_momentum(updates), "rule", batch_norm.why_rule(updates))
    return {"batch_norm_momentum": rule}
