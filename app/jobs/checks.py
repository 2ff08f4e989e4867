"""What a spec must satisfy beyond its own form: the facts of its dataset and its architecture."""

from collections.abc import Iterator
from dataclasses import replace

from app.datasets.service import DatasetFacts
from app.domain.catalog import ArchitectureFact, architectures, default_image_size, describe_misfit
from app.domain.layers import LayerUnfit, Shape, TooLarge, measure
from app.domain.noise_scale import ASSUMED, SMALLEST
from app.domain.plans import Planned, StepsPerEpoch, plan_of
from app.domain.specs import Augmentation, DeviceSpec, PlanSpec
from app.domain.specs.layers import CustomArchitecture
from app.errors import FieldError, Unprocessable, did_you_mean, json_pointer


def check(spec: DeviceSpec, dataset: DatasetFacts) -> None:
    """Raise one problem with everything that is wrong with this spec on this dataset."""
    _refuse(_errors(spec, dataset))


def check_plan(spec: PlanSpec, dataset: DatasetFacts) -> None:
    """The same for all that a plan will train; what several have in common is said once."""
    first = dict[str | None, FieldError]()  # of a place, and so of the training as it was given
    for one, job in _planned(spec):
        for error in _errors(job, dataset):
            first.setdefault((found := _in_plan(error, one)).pointer, found)
    _refuse(list(first.values()))


def _planned(spec: PlanSpec) -> Iterator[tuple[Planned, DeviceSpec]]:
    """All that a plan and the plans in it would have run."""
    plan = plan_of(spec)
    for one in plan.planned(plan.settle(lambda _: 1)):  # how many steps does not matter here
        if isinstance(one.spec, PlanSpec):
            yield from _planned(one.spec)
        elif not one.is_derived:
            yield one, one.spec


def _in_plan(error: FieldError, planned: Planned) -> FieldError:
    """An error of a training where the plan's spec has the field: in a place of the training's own, or for all."""
    place = (error.pointer or "#").removeprefix("#")
    field = place.removeprefix("/").partition("/")[0]
    if field not in planned.own:
        return error
    return replace(error, pointer=json_pointer(*planned.place) + ("" if planned.is_at_place else place))


def _errors(spec: DeviceSpec, dataset: DatasetFacts) -> list[FieldError]:
    return [*_architecture(spec, dataset), *_data(spec, dataset)]


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        summary = "; ".join(error.detail for error in errors)
        raise Unprocessable(errors[0].code, summary, _HINTS[errors[0].code], errors)


_HINTS = {
    "unknown_architecture": "See GET /v1/architectures for the names there are.",
    "unknown_architecture_option": "See the architecture's options at GET /v1/architectures.",
    "out_of_range": "See the architecture's options at GET /v1/architectures.",
    "wrong_type": "See the architecture's options at GET /v1/architectures.",
    "layer_unfit": "Correct the layer named, or change image_size; GET /v1/architectures/custom explains every layer.",
    "architecture_too_large": "Take fewer channels or layers, or pool earlier.",
    "image_size_unfit": "Change image_size, or leave it out to have it fit.",
    "unknown_weights": "See the architecture's weights at GET /v1/architectures, or set pretrained to false.",
    "step_too_large": "Lower accumulation_steps or batch_size.",
    "cutout_too_large": "Lower cutout below the side of the images.",
    "batch_too_large": "Lower batch_size, or hold out less for validation.",
    "no_test_split": "Give validation as a share of the training images, e.g. 0.1.",
    "validation_too_small": "Raise validation, so that at least one image is held out.",
    "crop_too_large": "Lower augmentation.crop below the side of the images.",
}


def _architecture(spec: DeviceSpec, dataset: DatasetFacts) -> Iterator[FieldError]:
    name = spec.architecture.name
    fact = architectures().get(name)
    if fact is None:
        detail = f"There is no architecture {name!r}{did_you_mean(name, architectures())}"
        yield FieldError(detail, "unknown_architecture", pointer="#/architecture")
        return
    if isinstance(spec.architecture, CustomArchitecture):
        yield from _layers(spec.architecture, spec, dataset)
    else:
        yield from _options(spec, fact)
    yield from _weights(spec, fact)
    if spec.image_size is not None and (misfit := describe_misfit(spec.image_size, fact)):
        yield FieldError(misfit, "image_size_unfit", pointer="#/image_size")


def _layers(architecture: CustomArchitecture, spec: DeviceSpec, dataset: DatasetFacts) -> Iterator[FieldError]:
    images = Shape(1 if dataset.mode == "L" else 3, spec.image_size or dataset.image_size)
    try:
        measure(architecture.layers, images, classes=len(dataset.classes))
    except LayerUnfit as error:
        code = "architecture_too_large" if isinstance(error, TooLarge) else "layer_unfit"
        yield FieldError(error.detail, code, pointer=json_pointer("architecture", "layers", *error.place))


def _options(spec: DeviceSpec, fact: ArchitectureFact) -> Iterator[FieldError]:
    for option, value in spec.architecture.options.items():
        pointer = json_pointer("architecture", option)
        known = fact.options.get(option)
        if known is None:
            offer = f"{did_you_mean(option, fact.options)} It has: {', '.join(fact.options) or 'none'}"
            detail = f"{fact.name} has no option {option!r}{offer}"
            yield FieldError(detail, "unknown_architecture_option", pointer=pointer)
        elif not known.takes(value):
            detail = f"{option} must be {known}"
            code = "out_of_range" if type(value) is int else "wrong_type"
            yield FieldError(detail, code, pointer=pointer)


def _weights(spec: DeviceSpec, fact: ArchitectureFact) -> Iterator[FieldError]:
    if spec.pretrained is False or (spec.pretrained is True and fact.weights) or spec.pretrained in fact.weights:
        return
    offer = (
        f"no such published weights; there are: {', '.join(fact.weights)}" if fact.weights else "no published weights"
    )
    detail = f"{fact.name} has {offer}"
    yield FieldError(detail, "unknown_weights", pointer="#/pretrained")


def _data(spec: DeviceSpec, dataset: DatasetFacts) -> Iterator[FieldError]:
    if spec.validation == "test" and not dataset.counts.get("test"):
        yield FieldError(f"{dataset.name} has no test split", "no_test_split", pointer="#/validation")
    images = training_images(spec, dataset)
    if spec.validation != "test" and images == dataset.counts["train"]:
        detail = f"{spec.validation or dataset.validation:g} of {images} images is none"
        yield FieldError(detail, "validation_too_small", pointer="#/validation")
    batch_size = min(SMALLEST, images) if spec.batch_size == "auto" else spec.batch_size
    if batch_size > images:
        detail = f"A batch of {batch_size} is larger than the {images} training images of {dataset.name}"
        yield FieldError(detail, "batch_too_large", pointer="#/batch_size")
    elif batch_size * spec.accumulation_steps > images:
        batches = f"{spec.accumulation_steps} batches of {batch_size}"
        detail = f"A step of {batches} is larger than the {images} training images of {dataset.name}"
        yield FieldError(detail, "step_too_large", pointer="#/accumulation_steps")
    side = spec.image_size or dataset.image_size
    if isinstance(spec.augmentation, Augmentation) and spec.augmentation.crop >= side:
        detail = f"A crop by {spec.augmentation.crop} px does not fit images of {side} px"
        yield FieldError(detail, "crop_too_large", pointer="#/augmentation/crop")
    seen = _side_seen(spec, dataset)
    if spec.cutout is not None and spec.cutout >= seen:
        detail = f"A cutout of {spec.cutout} px leaves nothing of images of {seen} px"
        yield FieldError(detail, "cutout_too_large", pointer="#/cutout")


def training_images(spec: DeviceSpec, dataset: DatasetFacts) -> int:
    """How many images are left to train on, once some are held out; the split by classes may differ by a few."""
    images = dataset.counts["train"]
    return images if spec.validation == "test" else images - round(images * (spec.validation or dataset.validation))


def assumed_batch_size(spec: DeviceSpec, dataset: DatasetFacts) -> int:
    """The batch size; of one that is left open, what estimates go by."""
    return min(ASSUMED, training_images(spec, dataset)) if spec.batch_size == "auto" else spec.batch_size


def steps_per_epoch(spec: DeviceSpec, dataset: DatasetFacts) -> int:
    """Optimizer steps in a pass over the training images."""
    images, size = training_images(spec, dataset), assumed_batch_size(spec, dataset)
    return images // (size * min(spec.accumulation_steps, images // size))


def steps_per_epoch_on(dataset: DatasetFacts) -> StepsPerEpoch:
    """The same on one data set."""
    return lambda spec: steps_per_epoch(spec, dataset)


def _side_seen(spec: DeviceSpec, dataset: DatasetFacts) -> int:
    """The side of the images that the network gets."""
    fact = architectures().get(spec.architecture.name)
    default = dataset.image_size if fact is None else default_image_size(dataset.image_size, fact)
    return spec.image_size or default
