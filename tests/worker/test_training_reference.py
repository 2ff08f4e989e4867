"""The page on training options says what specs, warnings and errors say."""

import ast
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from app.domain.presets import PRESETS
from app.domain.specs import RangeTestSpec, TrainingSpec, parse_spec
from app.domain.specs.layers import LAYER_TYPES, CustomArchitecture
from app.domain.specs.training import TrainingOptions
from app.domain.suggestion import WarningCode
from worker import training_reference

PAGE = training_reference.PATH.read_text("utf-8")
WORKER = Path(training_reference.__file__).parent
TREES = [ast.parse(path.read_text("utf-8")) for path in WORKER.rglob("*.py")]
NODES = [node for tree in TREES for node in ast.walk(tree)]


def section(heading):
    """What stands below a heading, down to the next one."""
    return re.split(r"^#+ ", PAGE.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(heading):
    return set(re.findall(r"^\| `(\w+)` \|", section(heading), re.MULTILINE))


class TestPage:
    def test_is_the_generators(self):
        assert training_reference.render() == PAGE

    def test_its_example_is_a_spec(self):
        example = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
        assert parse_spec(example).architecture.options == {"width": 16}

    def test_its_links_lead_to_headings(self):
        headings = {title.strip("`") for title in re.findall(r"^### (.+)$", PAGE, re.MULTILINE)}
        assert set(re.findall(r"\]\(#(\w+)\)", PAGE)) == headings


class TestFields:
    @pytest.mark.parametrize("spec", [RangeTestSpec, TrainingSpec])
    def test_every_field_of_a_spec_stands_there(self, spec):
        (kind,) = get_args(spec.model_fields["kind"].annotation)
        listed = first_cells("## Fields of both kinds") | first_cells(f'## `"kind": "{kind}"`')
        assert listed == set(spec.model_fields) - {"kind"}

    @pytest.mark.parametrize(("kind", "spec"), training_reference.PLANS.items())
    def test_a_plan_has_its_own_and_those_of_trainings(self, kind, spec):
        listed = first_cells(f'## `"kind": "{kind}"`')
        own = set(spec.model_fields) - set(TrainingOptions.model_fields) - {"kind"}
        assert listed == own | training_reference.MEANT_OTHERWISE[spec]

    @pytest.mark.parametrize(("part", "models"), training_reference.PARTS.items())
    def test_every_field_of_a_part_stands_there(self, part, models):
        fields = {name for model in models for name in model.model_fields}
        assert first_cells(f"### `{part}`") == fields

    def test_every_part_is_one_of_them(self):
        parts = {model.__name__ for models in training_reference.PARTS.values() for model in models} - {"Search"}
        elsewhere = {model.__name__ for model in (*LAYER_TYPES, CustomArchitecture)}  # on the page of architectures
        assert set(TrainingSpec.model_json_schema()["$defs"]) == parts | elsewhere

    @pytest.mark.parametrize(
        ("row", "because"),
        [
            ("| `epochs` | whole number from 1 to 10,000 | `10` |", "ge=1, le=10_000"),
            ("| `ema` | number above 0 and below 1 | none |", "gt=0, lt=1"),
            ('| `max_lr` | `"auto"` or number above 0 to 1e9 | `"auto"` |', "gt=0, le=1e9"),
            (
                '| `weight_decay` | `"auto"` or number from 0 to 1e9 | sgd: `0.0005`, adam: `0.0`, adamw: `0.01` |',
                "ge=0, le=1e9",
            ),
            (
                '| `policy` | `"one_cycle"`, `"constant"`, `"step"`, `"linear"`, `"cosine"` | `"one_cycle"` |',
                "left out",
            ),
            ('| `name` | `"sgd"`, `"adam"`, `"adamw"` | needed |', "which optimizer an object is"),
            ('| `schedule` | [object](#schedule) | `{"policy": "one_cycle"}` |', "a bare name is refused"),
            ('or [object](architectures.md#your-own-custom) | `{"name": "resnet9", "width": 16}` |', "of auto"),
            ('| `optimizer` | `"sgd"`, `"adam"`, `"adamw"` or [object](#optimizer) | `"sgd"` |', "all of it is sgd's"),
            ("| `milestones` | list of 1 to 20: number above 0 and below 1 | `[0.5, 0.75]` | `step` only.", "a list"),
        ],
    )
    def test_bounds_are_the_validators(self, row, because):
        assert row in PAGE, because


class TestPresets:
    def test_every_field_stands_there_with_its_value(self):
        table = section("## Presets")
        values = [f"`{json.dumps(value)}`" for preset in PRESETS.values() for value in preset.values()]
        assert [value for value in values if value not in table] == []


class TestCodes:
    def test_every_warning_stands_there(self):
        calls = [node for node in NODES if isinstance(node, ast.Call) and ast.unparse(node.func) == "Warned"]
        literal = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
        assert first_cells("## Warnings") == literal | set(get_args(WarningCode))
