"""Presets: whole specs by name, and how what is given beside them wins."""

import pytest
from pydantic import ValidationError

from app.domain.presets import PRESETS
from app.domain.specs import TrainingSpec, parse_spec


@pytest.fixture
def spec_of():
    def make(preset, **given):
        return parse_spec({"kind": "training", "preset": preset, **given})

    return make


class TestBlog:
    def test_is_a_whole_spec(self, spec_of):
        spec = spec_of("blog")
        assert (spec.preset, spec.dataset.name, spec.architecture.name) == ("blog", "CIFAR10", "mobilenet_v2")
        assert (spec.pretrained, spec.optimizer.name, spec.epochs) == (True, "adamw", 50)
        assert (spec.schedule.shape, spec.schedule.max_lr, spec.schedule.pick) == ("cosine", "auto", "steepest")
        assert (spec.early_stopping.patience, spec.early_stopping.armed) == (5, None)
        assert (spec.crop_from, spec.image_size) == (256, 224)


class TestCaseStudy:
    def test_is_a_whole_spec(self, spec_of):
        spec = spec_of("case_study")
        assert (spec.dataset.name, spec.architecture.name, spec.optimizer.name) == ("MNIST", "lenet", "sgd")
        assert (spec.schedule.policy, spec.schedule.max_lr, spec.schedule.pick) == ("one_cycle", "auto", "edge")

    def test_has_the_numbers_of_the_paper(self, spec_of):
        numbers = spec_of("case_study").schedule.numbers
        assert (numbers.up, numbers.annihilation) == (0.5, 0.1)  # and 40 % in between
        assert (numbers.initial_div, numbers.final_div) == (10, 100)
        assert (numbers.max_momentum, numbers.min_momentum) == (0.95, 0.85)


class TestWhatIsGivenBeside:
    @pytest.mark.parametrize(
        ("given", "path", "expected"),
        [
            ({"epochs": 3}, "epochs", 3),
            ({"early_stopping": None}, "early_stopping", None),
            ({"dataset": "digits"}, "dataset.name", "digits"),
            ({"dataset": "ds_x"}, "dataset.id", "ds_x"),
            # objects are merged field by field …
            ({"optimizer": {"weight_decay": 0.1}}, "optimizer.name", "adamw"),
            ({"optimizer": {"weight_decay": 0.1}}, "optimizer.weight_decay", 0.1),
            ({"early_stopping": {"armed": "always"}}, "early_stopping.patience", 5),
            ({"schedule": {"up": 0.2}}, "schedule.shape", "cosine"),
            ({"schedule": {"shape": "triangle"}}, "schedule.pick", "steepest"),
            # … unless they are of another kind
            ({"optimizer": "sgd"}, "optimizer.name", "sgd"),
            ({"schedule": {"policy": "linear"}}, "schedule.pick", "best"),
            # a number leaves nothing to pick
            ({"schedule": {"max_lr": 0.01}}, "schedule.pick", "best"),
            ({"schedule": {"max_lr": 0.01}}, "schedule.shape", "cosine"),
        ],
    )
    def test_wins(self, spec_of, given, path, expected):
        found = spec_of("blog", **given)
        for name in path.split("."):
            found = getattr(found, name)
        assert found == expected

    def test_is_checked_like_any_other_field(self, spec_of):
        with pytest.raises(ValueError, match="leave one out"):
            spec_of("blog", schedule={"max_lr": 0.01, "pick": "edge"})


class TestStoring:
    @pytest.mark.parametrize("name", PRESETS)
    @pytest.mark.parametrize(
        "given", [{}, {"optimizer": "sgd", "early_stopping": None}, {"schedule": {"max_lr": 1.0}}, {"dataset": "ds_x"}]
    )
    def test_what_is_stored_is_whole_and_stays_as_it_is(self, spec_of, name, given):
        spec = spec_of(name, **given)
        stored = spec.model_dump(mode="json")
        assert parse_spec(stored) == spec
        without = {field: value for field, value in stored.items() if field != "preset"}
        assert parse_spec(without) == spec.model_copy(update={"preset": None})


class TestUnknown:
    def test_is_refused_with_the_names_there_are(self, spec_of):
        with pytest.raises(ValueError, match="'blog' or 'case_study'"):
            spec_of("blgo", dataset="digits", architecture="mlp")

    @pytest.mark.parametrize("name", ["blgo", "", 5, ["blog"]])
    def test_nothing_is_said_of_what_it_would_have_filled_in(self, spec_of, name):
        with pytest.raises(ValidationError) as caught:
            spec_of(name)
        assert [entry["loc"] for entry in caught.value.errors()] == [("training", "preset")]

    def test_the_schema_asks_for_a_preset_or_for_data_and_network(self):
        schema = TrainingSpec.model_json_schema()
        assert schema["required"] == ["kind"]
        assert schema["anyOf"] == [{"required": ["dataset", "architecture"]}, {"required": ["preset"]}]
