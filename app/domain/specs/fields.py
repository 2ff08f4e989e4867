"""The field types every spec is made of: strict numbers, bounded strings, names that may stand alone."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError


class Part(BaseModel):
    """A piece of a spec: unknown fields are refused by name, and nothing in it changes after submission."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _tells_its_fields(cls, data: Any, handler: ModelWrapValidatorHandler["Part"]) -> "Part":  # noqa: ANN401
        """Let the error for an unknown field carry those there are: only here is it known which."""
        try:
            return handler(data)
        except ValidationError as error:
            found = error.errors(include_url=False)
            if not any(_is_unknown_field(entry) for entry in found):
                raise
            raise ValidationError.from_exception_data(
                error.title, [_with_fields(entry, list(cls.model_fields)) for entry in found]
            ) from None


def _is_unknown_field(entry: Any) -> bool:  # noqa: ANN401 - as pydantic has them
    return entry["type"] == "extra_forbidden" and len(entry["loc"]) == 1  # a longer path is a part's own


def _with_fields(entry: Any, fields: list[str]) -> InitErrorDetails:  # noqa: ANN401
    context = {**entry.get("ctx", {}), "message": entry["msg"]}
    if _is_unknown_field(entry):
        context["fields"] = fields
    kind = PydanticCustomError(entry["type"], "{message}", context)
    return InitErrorDetails(type=kind, loc=entry["loc"], input=entry["input"])


def at_odds(field: str, message: str) -> PydanticCustomError:
    """The error for fields that do not go together; `field` is the one to look at first."""
    return PydanticCustomError("fields_at_odds", "{message}", {"message": message, "field": field})


def json_number(value: Any) -> Any:  # noqa: ANN401
    """Refuse what pydantic would kindly turn into a number: true is not 1 and "3" is not 3."""
    if isinstance(value, bool | str | bytes):
        raise PydanticCustomError("number_type", "must be a number")
    return value


def whole_number(value: Any) -> Any:  # noqa: ANN401
    """The same for what must be a whole number."""
    if isinstance(value, bool | str | bytes):
        raise PydanticCustomError("int_type", "must be a whole number")
    return value


def named(value: Any) -> Any:  # noqa: ANN401
    """Let a bare string stand for an object that needs only its `name`."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict | Part):
        raise PydanticCustomError("named_type", "must be an object or a name")
    return value


# The validator stands last, so that the bounds reach the JSON schema as keywords.
Number = Annotated[float, BeforeValidator(json_number)]
PositiveNumber = Annotated[float, Field(gt=0, le=1e9), BeforeValidator(json_number)]
BudgetSeconds = Annotated[float, Field(ge=10, le=1e9), BeforeValidator(json_number)]
NonNegativeNumber = Annotated[float, Field(ge=0, le=1e9), BeforeValidator(json_number)]
Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(json_number)]
PositiveShare = Annotated[float, Field(gt=0, le=1), BeforeValidator(json_number)]
OpenShare = Annotated[float, Field(gt=0, lt=1), BeforeValidator(json_number)]
Seed = Annotated[int, Field(ge=0, lt=2**32), BeforeValidator(whole_number)]
BatchSize = Annotated[int, Field(ge=1, le=65_536), BeforeValidator(whole_number)]
Epochs = Annotated[int, Field(ge=1, le=10_000), BeforeValidator(whole_number)]
ImageSize = Annotated[int, Field(ge=4, le=1_024), BeforeValidator(whole_number)]
NO_NUL = r"^[^\x00]*$"  #: PostgreSQL has no text with a NUL in it
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
