"""The parts that range tests and trainings share: dataset, architecture, optimizer, augmentation."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, StrictBool, Tag, model_validator

from app.domain.specs.fields import (
    Epochs,
    Name,
    NonNegativeNumber,
    OpenShare,
    Part,
    PositiveNumber,
    at_odds,
    json_number,
    named,
    whole_number,
)
from app.domain.specs.layers import CUSTOM, CustomArchitecture


class DatasetRef(Part):
    """Which images: a name, or an id, or an id with the version it must have."""

    name: Name | None = Field(None, description="Name of a data set, built in, uploaded or registered.")
    id: Name | None = Field(None, description="Its id, instead of the name.")
    version: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")] | None = Field(
        None, description="The content it must have; anything else is refused."
    )

    @model_validator(mode="after")
    def _names_one(self) -> "DatasetRef":
        if (self.name is None) == (self.id is None):
            raise ValueError("give either a name or an id")
        return self

    @property
    def label(self) -> str:
        """The name or id the user gave."""
        return self.name or self.id or ""


def _dataset(value: Any) -> Any:  # noqa: ANN401
    is_id = isinstance(value, str) and value.startswith("ds_")
    return {"id": value} if is_id else named(value)


class Architecture(Part):
    """A network by name; its options stand beside the name and are checked against the catalog."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: Name = Field(
        description="One of `GET /v1/architectures`. Its options stand beside it; with `custom`, its layers do."
    )

    @property
    def options(self) -> dict[str, Any]:
        """What was given beside the name, e.g. `{"width": 16}`."""
        return dict(self.model_extra or {})


WeightDecay = Annotated[
    Literal["auto"] | NonNegativeNumber,
    Field(
        description='Times each weight, added to its gradient; with adamw, taken off the weight itself. "auto" is what '
        "suits learning rate and length of the training; a range test takes the usual rate and a default training."
    ),
]
_WHICH = "Which optimizer it is."


class _WeightDecay(Part):
    decay_norm_and_bias: StrictBool = Field(False, description="Also decay normalisation layers and biases.")


class Sgd(_WeightDecay):
    """Stochastic gradient descent with Nesterov momentum."""

    name: Literal["sgd"] = Field(description=_WHICH)
    momentum: Annotated[float, Field(ge=0, lt=1), BeforeValidator(json_number)] = Field(
        0.9, description="Momentum while no schedule cycles it; a range test keeps it."
    )
    nesterov: StrictBool = Field(True, description="Nesterov's momentum instead of the classical one.")
    weight_decay: WeightDecay = 5e-4

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise at_odds("momentum", "nesterov needs a momentum above 0; raise it, or set nesterov to false")
        return self


class _AdamFamily(_WeightDecay):
    beta1: OpenShare = Field(0.9, description="Decay of the mean gradient.")
    beta2: OpenShare = Field(0.999, description="Decay of the mean squared gradient.")
    epsilon: PositiveNumber = Field(1e-8, description="Added to the denominator.")


class Adam(_AdamFamily):
    """Adam; its weight decay is added to the gradient."""

    name: Literal["adam"] = Field(description=_WHICH)
    weight_decay: WeightDecay = 0.0


class AdamW(_AdamFamily):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"] = Field(description=_WHICH)
    weight_decay: WeightDecay = 0.01


class Augmentation(Part):
    """Random changes of the training images, made on the device for the whole batch."""

    crop: Annotated[int, Field(ge=0, le=128), BeforeValidator(whole_number)] = Field(
        0, description="Pad by so many pixels, then crop at random: a shift."
    )
    flip: StrictBool = Field(False, description="Mirror left and right at random; not for signs, such as digits.")


class Preprocessing(Part):
    """How pixels become numbers."""

    normalize: Literal["dataset", "imagenet"] | None = Field(
        None, description="Mean and deviation: the data set's own, or ImageNet's; by default those go with its weights."
    )
    resize: Literal["crop", "pad", "stretch"] = Field(
        "crop",
        description="How a picture that is no square becomes one: by cutting its longer side, by filling up the "
        "shorter one with black, or by distorting it.",
    )


class EarlyStopping(Part):
    """Stop when the validation accuracy has not risen for `patience` epochs.

    `armed` says from when on epochs count. In the middle of a cycle accuracy is supposed to stall, so with
    one-cycle the default is the annealing phase; every other policy is armed always.
    """

    patience: Annotated[int, Field(ge=1, le=1_000), BeforeValidator(whole_number)] = Field(
        5, description="Epochs without a better validation accuracy."
    )
    armed: Literal["annealing", "always"] | None = Field(
        None,
        description="From when on they count; left out, it is the annealing phase, and a policy without a cycle "
        "anneals from its first step.",
    )


class Freeze(Part):
    """For the first `epochs` only the head trains, its body keeping weights and batch-norm statistics; then all."""

    epochs: Epochs = Field(description="Epochs of the head alone; a bare number will do instead of the object.")


def _epochs_alone(value: Any) -> Any:  # noqa: ANN401
    return value if isinstance(value, dict | Freeze) else {"epochs": value}


Optimizer = Annotated[
    Annotated[Sgd | Adam | AdamW, Field(discriminator="name")],
    BeforeValidator(named, json_schema_input_type=Literal["sgd", "adam", "adamw"] | Sgd | Adam | AdamW),
]
FreezeField = Annotated[Freeze, BeforeValidator(_epochs_alone, json_schema_input_type=Epochs | Freeze)]
DatasetField = Annotated[DatasetRef, BeforeValidator(_dataset, json_schema_input_type=str | DatasetRef)]


def _form_of_architecture(value: Any) -> str:  # noqa: ANN401 - unread data, or read
    name = value.get("name") if isinstance(value, dict) else value.name
    return "by layers" if name == CUSTOM else "by name"


_AnyArchitecture = Annotated[
    Annotated[Architecture, Tag("by name")] | Annotated[CustomArchitecture, Tag("by layers")],
    Discriminator(_form_of_architecture),
]
ArchitectureField = Annotated[
    _AnyArchitecture, BeforeValidator(named, json_schema_input_type=str | Architecture | CustomArchitecture)
]
