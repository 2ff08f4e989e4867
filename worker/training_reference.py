"""Renders docs/reference/training.md from specs, presets and warnings: the page says what the service reads.

`python -m worker.training_reference` writes it.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

from app.domain.presets import PRESETS
from app.domain.specs import (
    Adam,
    AdamW,
    Architecture,
    Augmentation,
    AutoSpec,
    ComparisonSpec,
    ConstantLr,
    CosineDecay,
    DatasetRef,
    EarlyStopping,
    Freeze,
    LinearDecay,
    OneCycle,
    Part,
    Preprocessing,
    RangeTestSpec,
    Sgd,
    StepDecay,
    TrainingSpec,
    TuningSpec,
)
from app.domain.specs.leaf import LeafSpec
from app.domain.specs.policies import SHAPES
from app.domain.specs.training import TrainingOptions
from app.domain.specs.tuning import Search
from app.domain.suggestion import Suggestion, WarningCode
from worker.reference_words import PAGE, WARNINGS
from worker.schema_tables import Words, field_rows, part_rows

PATH = Path(__file__).parents[1] / "docs" / "reference" / "training.md"

PLANS: dict[str, type[TrainingOptions]] = {"comparison": ComparisonSpec, "tuning": TuningSpec, "auto": AutoSpec}
MEANT_OTHERWISE = {ComparisonSpec: {"epochs"}, TuningSpec: set(), AutoSpec: {"architecture", "epochs"}}
PARTS: dict[str, tuple[type[Part], ...]] = {
    "dataset": (DatasetRef,),
    "architecture": (Architecture,),
    "optimizer": (Sgd, Adam, AdamW),
    "augmentation": (Augmentation,),
    "preprocessing": (Preprocessing,),
    "schedule": (OneCycle, ConstantLr, StepDecay, LinearDecay, CosineDecay),
    "early_stopping": (EarlyStopping,),
    "freeze": (Freeze,),
    "search": (Search,),
}
_PLACES = {model.__name__: f"#{part}" for part, models in PARTS.items() for model in models}
_ELSEWHERE = {"CustomArchitecture": "architectures.md#your-own-custom"}
_WORDS = Words(_PLACES | _ELSEWHERE)


def render() -> str:
    """The page's text."""
    tables = {
        "shared": _fields(RangeTestSpec, list(LeafSpec.model_fields)),
        "range_test": _fields(RangeTestSpec, _own(RangeTestSpec)),
        "training": _fields(TrainingSpec, _own(TrainingSpec)),
        **{kind: _fields(spec, own_fields(spec)) for kind, spec in PLANS.items()},
        "parts": _parts(),
        "shapes": _shapes(),
        "presets": _presets(),
        "warnings": _warnings(),
    }
    return PAGE.format(**{name: "\n".join(lines) for name, lines in tables.items()})


def _fields(spec: type[LeafSpec], names: list[str]) -> Iterator[str]:
    return field_rows(spec.model_json_schema(), names, words=_WORDS)


def _own(spec: type[LeafSpec]) -> list[str]:
    """What this kind has beyond the other; `kind` itself stands in the heading."""
    return [name for name in spec.model_fields if name not in LeafSpec.model_fields and name != "kind"]


def own_fields(spec: type[TrainingOptions]) -> list[str]:
    """What a plan says beyond what its trainings share, and what means something else there."""
    shared = set(TrainingOptions.model_fields) - MEANT_OTHERWISE[spec]
    return [name for name in spec.model_fields if name not in shared and name != "kind"]


def _parts() -> Iterator[str]:
    for number, (part, models) in enumerate(PARTS.items()):
        yield from ([""] if number else [])
        yield from (f"### `{part}`", "")
        yield from part_rows(models, words=_WORDS)


def _shapes() -> Iterator[str]:
    names = [field.name for field in fields(next(iter(SHAPES.values())))]
    yield from (f"| shape | {' | '.join(f'`{name}`' for name in names)} |", f"|---{'|---' * len(names)}|")
    for name, shape in SHAPES.items():
        yield f"| `{name}` | {' | '.join(_number(getattr(shape, field)) for field in names)} |"


def _number(value: float | None) -> str:
    if value is None:
        return "the optimizer's own"
    return "∞" if math.isinf(value) else f"{value:g}"


def _presets() -> Iterator[str]:
    yield from (f"| field | {' | '.join(f'`{name}`' for name in PRESETS)} |", f"|---{'|---' * len(PRESETS)}|")
    for field in dict.fromkeys(field for preset in PRESETS.values() for field in preset):
        values = (f"`{json.dumps(preset[field])}`" if field in preset else "" for preset in PRESETS.values())
        yield f"| `{field}` | {' | '.join(values)} |"


def _warnings() -> Iterator[str]:
    yield from ("| code | meaning |", "|---|---|")
    told = {code: Suggestion.explain_warning(code) for code in get_args(WarningCode)}
    for code, meaning in (told | WARNINGS).items():
        yield f"| `{code}` | {meaning} |"


def main() -> None:
    """Write the page."""
    PATH.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
