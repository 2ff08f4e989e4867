"""Specs: what a user may leave out, write short, and must not write at all."""

import math
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from app.domain.specs import JobSpec, OneCycle, RangeTestSpec, TrainingSpec, parse_spec

TRAINING = {"kind": "training", "dataset": "digits", "architecture": "resnet9"}
RANGE_TEST = {"kind": "range_test", "dataset": "digits", "architecture": "resnet9"}


@pytest.fixture
def problems():
    """The (location, message) pairs a spec is refused with."""

    def refused(data):
        with pytest.raises(ValidationError) as caught:
            parse_spec(data)
        return [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]

    return refused


class TestDefaults:
    def test_three_fields_are_enough_for_a_training(self):
        spec = parse_spec(TRAINING)
        assert isinstance(spec, TrainingSpec)
        assert spec.model_dump(mode="json", exclude_none=True) == {
            "kind": "training",
            "dataset": {"name": "digits"},
            "architecture": {"name": "resnet9"},
            "optimizer": {
                "name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "decay_norm_and_bias": False,
            },
            "batch_size": 128,
            "pretrained": False,
            "layer_lr_decay": 1.0,
            "augmentation": "default",
            "accumulation_steps": 1,
            "label_smoothing": 0.0,
            "precision": "auto",
            "compile": "auto",
            "devices": 1,
            "deterministic": False,
            "seed": 0,
            "test_time_flip": False,
            "exact_batch_norm": False,
            "evaluate_test": True,
            "epochs": 10,
            "schedule": {
                "policy": "one_cycle", "shape": "case_study", "max_lr": "auto", "pick": "best", "cycle_beta1": False,
            },
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("optimizer", "bounds"), [("sgd", (1e-6, 10.0)), ("adam", (1e-7, 1.0)), ("adamw", (1e-7, 1.0))]
    )
    def test_a_sweep_follows_its_optimizer(self, optimizer, bounds):
        spec = parse_spec({**RANGE_TEST, "optimizer": optimizer})
        assert isinstance(spec, RangeTestSpec)
        assert (spec.bounds, spec.sweep) == (bounds, "exponential")

    def test_the_users_bounds_win(self):
        assert parse_spec({**RANGE_TEST, "start_lr": 0.1, "end_lr": 3}).bounds == (0.1, 3.0)

    @pytest.mark.parametrize(("steps_per_epoch", "steps"), [(12, 100), (100, 100), (211, 211), (300, 300), (9000, 300)])
    def test_a_sweep_is_as_long_as_an_epoch_within_limits(self, steps_per_epoch, steps):
        assert parse_spec(RANGE_TEST).steps_for(steps_per_epoch) == steps

    def test_the_users_step_count_wins(self):
        assert parse_spec({**RANGE_TEST, "steps": 40}).steps_for(9000) == 40

    @pytest.mark.parametrize(("name", "weight_decay"), [("sgd", 5e-4), ("adam", 0.0), ("adamw", 0.01)])
    def test_weight_decay_follows_the_optimizer(self, name, weight_decay):
        assert parse_spec({**TRAINING, "optimizer": {"name": name}}).optimizer.weight_decay == weight_decay


class TestShortForms:
    def test_a_bare_string_is_the_name(self):
        short = parse_spec({**TRAINING, "optimizer": "adamw"})
        long = parse_spec(
            {**TRAINING, "dataset": {"name": "digits"}, "architecture": {"name": "resnet9"},
             "optimizer": {"name": "adamw"}}
        )  # fmt: skip
        assert short == long

    def test_a_bare_dataset_id_is_an_id(self):
        assert parse_spec({**TRAINING, "dataset": "ds_01abc"}).dataset.id == "ds_01abc"

    def test_a_dataset_may_be_pinned(self):
        version = "sha256:" + "0f" * 32
        dataset = parse_spec({**TRAINING, "dataset": {"id": "ds_01abc", "version": version}}).dataset
        assert (dataset.label, dataset.version) == ("ds_01abc", version)

    def test_options_of_an_architecture_stand_beside_its_name(self):
        assert parse_spec({**TRAINING, "architecture": {"name": "resnet9", "width": 16}}).architecture.options == {
            "width": 16
        }

    @pytest.mark.parametrize("data", [TRAINING, RANGE_TEST, {**TRAINING, "schedule": {"policy": "step"}}])
    def test_what_lies_in_a_row_reads_back_the_same(self, data):
        spec = parse_spec(data)
        assert parse_spec(spec.model_dump(mode="json")) == spec


class TestUnions:
    @pytest.mark.parametrize("policy", ["one_cycle", "constant", "step", "linear", "cosine"])
    def test_policy_selects_the_schedule(self, policy):
        assert parse_spec({**TRAINING, "schedule": {"policy": policy}}).schedule.policy == policy

    def test_another_policys_field_is_unknown(self, problems):
        found = problems({**TRAINING, "schedule": {"policy": "constant", "up": 0.3}})
        assert found == [("training.schedule.constant.up", "Extra inputs are not permitted")]

    def test_another_optimizers_field_is_unknown(self, problems):
        found = problems({**TRAINING, "optimizer": {"name": "adam", "nesterov": True}})
        assert found == [("training.optimizer.adam.nesterov", "Extra inputs are not permitted")]

    @pytest.mark.parametrize("kind", [None, "dataset_import", "compare", "Training", 1])
    def test_kinds_that_do_not_exist(self, problems, kind):
        assert len(problems({**TRAINING, "kind": kind})) == 1

    def test_a_schedule_without_a_policy_is_one_cycle(self):
        schedule = {"max_lr": 0.1}
        assert parse_spec({**TRAINING, "schedule": schedule}).schedule == OneCycle(max_lr=0.1)
        assert schedule == {"max_lr": 0.1}  # the caller's own stays as it is

    @pytest.mark.parametrize(
        ("schedule", "field"),
        [({"max_lr": -1}, "max_lr"), ({"max_lr": math.nan}, "max_lr"), ({"shape": "blah"}, "shape"), ({"x": 1}, "x")],
    )
    def test_what_is_wrong_in_one_is_named(self, problems, schedule, field):
        locations = [location for location, _ in problems({**TRAINING, "schedule": schedule})]
        assert all(location.startswith(f"training.schedule.one_cycle.{field}") for location in locations)

    @pytest.mark.parametrize("schedule", [None, "cosine", 3, {"policy": None}, {"policy": "spiral"}])
    def test_no_schedule_at_all(self, problems, schedule):
        assert [location for location, _ in problems({**TRAINING, "schedule": schedule})] == ["training.schedule"]

    def test_the_json_schema_says_so(self):
        schema = TypeAdapter(JobSpec).json_schema()["$defs"]
        schedule = schema["TrainingSpec"]["properties"]["schedule"]
        assert [Path(member["$ref"]).name for member in schedule["oneOf"]] == [
            "OneCycle", "ConstantLr", "StepDecay", "LinearDecay", "CosineDecay",
        ]  # fmt: skip
        assert "required" not in schema["OneCycle"]
        assert schema["ConstantLr"]["required"] == ["policy"]


class TestUnknownFields:
    @pytest.mark.parametrize(
        ("change", "location"),
        [
            ({"epoch": 3}, "training.epoch"),
            ({"warmup": 5}, "training.warmup"),
            ({"mix_up": 0.2}, "training.mix_up"),
            ({"dataset": {"name": "digits", "split": "x"}}, "training.dataset.split"),
            ({"early_stopping": {"patient": 3}}, "training.early_stopping.patient"),
            ({"augmentation": {"rotate": 3}}, "training.augmentation.function-wrap[_tells_its_fields()].rotate"),
        ],
    )
    def test_are_named(self, problems, change, location):
        assert (location, "Extra inputs are not permitted") in problems({**TRAINING, **change})

    def test_come_with_those_there_are(self):
        with pytest.raises(ValidationError) as caught:
            parse_spec({**TRAINING, "epochs": 0, "early_stopping": {"patient": 3}, "epoch": 3})
        found = {error["loc"][1:]: error for error in caught.value.errors()}
        assert found.keys() == {("epochs",), ("early_stopping", "patient"), ("epoch",)}
        assert found["early_stopping", "patient"]["ctx"]["fields"] == ["patience", "armed"]
        assert found["epoch",]["ctx"]["fields"] == list(TrainingSpec.model_fields)
        assert (found["epochs",]["type"], found["epochs",]["ctx"]["ge"]) == ("greater_than_equal", 1)


class TestNumbers:
    @pytest.mark.parametrize("value", [True, "3", b"3"])
    @pytest.mark.parametrize("field", ["epochs", "batch_size", "seed", "image_size"])
    def test_only_numbers_are_numbers(self, problems, field, value):
        found = problems({**TRAINING, field: value})
        assert {".".join(location.split(".")[:2]) for location, _ in found} == {f"training.{field}"}
        assert {message for _, message in found} - {"Input should be 'auto'"} == {"must be a whole number"}

    def test_nor_is_a_word_a_rate(self, problems):
        found = problems({**TRAINING, "optimizer": {"name": "sgd", "weight_decay": "5e-4"}})
        assert {location.split(".")[3] for location, _ in found} == {"weight_decay"}
        assert {message for _, message in found} == {"Input should be 'auto'", "must be a number"}

    def test_a_whole_float_is_a_whole_number_as_in_json_schema(self):
        assert parse_spec({**TRAINING, "epochs": 2.0}).epochs == 2

    @pytest.mark.parametrize(
        "change",
        [
            {"epochs": 0}, {"epochs": 10_001}, {"epochs": 1.5}, {"epochs": math.nan}, {"epochs": math.inf},
            {"batch_size": 0}, {"batch_size": 65_537}, {"seed": -1}, {"seed": 2**32}, {"image_size": 3},
            {"validation": 0}, {"validation": 1}, {"validation": -0.1}, {"validation": math.nan},
            {"validation": "train"}, {"validation": True},
            {"schedule": {"policy": "one_cycle", "max_lr": -0.1}}, {"schedule": {"policy": "one_cycle", "max_lr": 0}},
            {"schedule": {"policy": "one_cycle", "max_lr": math.nan}},
            {"schedule": {"policy": "one_cycle", "max_lr": math.inf}},
            {"schedule": {"policy": "one_cycle", "max_lr": "big"}},
            {"schedule": {"policy": "one_cycle", "up": 1.1}}, {"schedule": {"policy": "one_cycle", "final_div": 0.5}},
            {"schedule": {"policy": "one_cycle", "max_momentum": 1}},
            {"schedule": {"policy": "step", "milestones": []}},
            {"schedule": {"policy": "step", "milestones": [0.5, 0.5]}},
            {"schedule": {"policy": "step", "milestones": [0.7, 0.5]}},
            {"schedule": {"policy": "step", "milestones": [0.5, "x"]}},
            {"optimizer": {"name": "sgd", "momentum": 1}}, {"optimizer": {"name": "sgd", "weight_decay": -1}},
            {"optimizer": {"name": "adam", "beta1": 1}}, {"optimizer": {"name": "adam", "epsilon": 0}},
            {"early_stopping": {"patience": 0}}, {"augmentation": {"crop": -1}},
            {"accumulation_steps": 0}, {"accumulation_steps": 1_025}, {"accumulation_steps": 1.5},
            {"label_smoothing": 1}, {"label_smoothing": -0.1}, {"label_smoothing": True}, {"gradient_clip": 0},
            {"mixup": 0}, {"mixup": math.inf}, {"cutmix": -1}, {"cutmix": "1"}, {"cutout": 0}, {"cutout": 2.5},
            {"ema": 0}, {"ema": 1}, {"ema": True}, {"deterministic": 2}, {"test_time_flip": None},
            {"batch_norm_momentum": 0}, {"batch_norm_momentum": 1.01}, {"batch_norm_momentum": "exact"},
            {"exact_batch_norm": "no"}, {"test_time_flip": 1}, {"deterministic": "yes"}, {"pretrained": 1},
        ],
    )  # fmt: skip
    def test_bounds(self, problems, change):
        [field] = change
        assert {location.split(".")[1] for location, _ in problems({**TRAINING, **change})} == {field}

    @pytest.mark.parametrize("steps", [19, 100_001, True])
    def test_bounds_of_a_sweep(self, problems, steps):
        assert problems({**RANGE_TEST, "steps": steps})[0][0] == "range_test.steps"

    def test_bounds_reach_the_json_schema(self):
        schema = TypeAdapter(JobSpec).json_schema()["$defs"]["TrainingSpec"]["properties"]
        assert (schema["epochs"]["minimum"], schema["epochs"]["maximum"]) == (1, 10_000)
        assert {"exclusiveMinimum": 0, "exclusiveMaximum": 1, "type": "number"} in schema["validation"]["anyOf"]


class TestFieldsThatDependOnEachOther:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"optimizer": {"name": "sgd", "momentum": 0}}, "nesterov needs a momentum above 0"),
            ({"dataset": {}}, "either a name or an id"),
            ({"dataset": {"name": "a", "id": "ds_b"}}, "either a name or an id"),
            ({"schedule": {"policy": "one_cycle", "up": 0.6, "annihilation": 0.5}}, "more than 1"),
            # the shape's own annihilation of 0.1 counts as well
            ({"schedule": {"policy": "one_cycle", "up": 0.95}}, "up 0.95 and annihilation 0.1 .* set both"),
            ({"schedule": {"policy": "one_cycle", "max_momentum": 0.8}}, "min_momentum 0.85 is above max_momentum 0.8"),
            ({"schedule": {"policy": "one_cycle", "max_momentum": 0.5, "min_momentum": 0.6}}, "0.6 is above"),
            ({"batch_size": 1, "mixup": 0.2}, "a step on one image has no other to mix it with"),
            ({"batch_size": 1, "cutmix": 1}, "a step on one image has no other to mix it with"),
            ({"schedule": {"cycle_beta1": True}}, "cycle_beta1 is for adam and adamw"),
            ({"optimizer": "adam", "schedule": {"shape": "triangle", "cycle_beta1": True}}, "no momentum to cycle"),
            ({"schedule": {"pick": "edge", "max_lr": 0.1}}, 'pick "edge" says what max_lr "auto" takes'),
            ({"freeze": 2}, "nothing worth freezing; set pretrained"),
            ({"freeze": {"epochs": 10}, "pretrained": True}, "of 10 epochs, 10 frozen ones leave none"),
            ({"crop_from": 32}, "needs a smaller image_size"),
            ({"devices": 3, "batch_size": 32}, "3 devices do not share 32 images evenly; take 30 or 33"),
            ({"devices": 3, "batch_size": 1}, "take 3"),
            ({"crop_from": 32, "image_size": 32}, "needs a smaller image_size"),
        ],
    )
    def test_are_refused_in_words(self, change, message):
        with pytest.raises(ValidationError, match=message):
            parse_spec({**TRAINING, **change})

    def test_one_image_at_a_time_can_be_mixed_in_larger_steps(self):
        assert parse_spec({**TRAINING, "batch_size": 1, "accumulation_steps": 2, "mixup": 0.2}).mixup == 0.2

    @pytest.mark.parametrize(("up", "annihilation"), [(0.7, 0.3), (0.9, 0.1), (0.65, 0.35), (1.0, 0.0), (0.0, 1.0)])
    def test_shares_may_add_up_to_one(self, up, annihilation):
        assert OneCycle(up=up, annihilation=annihilation).numbers.up == up

    @pytest.mark.parametrize(
        ("bounds", "field"),
        [({"start_lr": 20}, "start_lr"), ({"start_lr": 1, "end_lr": 1}, "start_lr"), ({"end_lr": 1e-6}, "end_lr")],
    )
    def test_a_sweep_rises(self, bounds, field):
        with pytest.raises(ValidationError, match="must be below end_lr") as caught:
            parse_spec({**RANGE_TEST, **bounds})
        assert caught.value.errors()[0]["ctx"]["field"] == field
