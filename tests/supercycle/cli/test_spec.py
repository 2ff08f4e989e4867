import inspect
import json
from datetime import timedelta

import pytest
import typer

from supercycle.cli.spec import OPTIONS, RUNNING, build_changes, build_spec, check_essentials


def spec_of(*settings, base=None, kind="training", **options):
    return build_spec(kind, options=options, base=base, settings=settings)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, {}),
            ({"dataset": "digits", "epochs": 3}, {"dataset": "digits", "epochs": 3}),
            ({"seed": 0}, {"seed": 0}),  # nought is something
            ({"tags": []}, {}),  # an option that may be repeated, not given
            ({"tags": ["a", "b"]}, {"tags": ["a", "b"]}),
            ({"architecture": "resnet9"}, {"architecture": "resnet9"}),
            ({"architecture": "resnet9:width=16"}, {"architecture": {"name": "resnet9", "width": 16}}),
            ({"optimizer": "adamw"}, {"optimizer": {"name": "adamw"}}),
            ({"momentum": 0.0}, {"optimizer": {"name": "sgd", "momentum": 0.0}}),  # the default optimizer's
            (
                {"optimizer": "adamw", "weight_decay": "0.1"},
                {"optimizer": {"name": "adamw", "weight_decay": 0.1}},
            ),
            ({"batch_size": "auto"}, {"batch_size": "auto"}),
            ({"batch_size": "64"}, {"batch_size": 64}),
            ({"weight_decay": "auto"}, {"optimizer": {"name": "sgd", "weight_decay": "auto"}}),
            ({"max_lr": "auto"}, {"schedule": {"policy": "one_cycle", "max_lr": "auto"}}),
            ({"max_lr": "0.4"}, {"schedule": {"policy": "one_cycle", "max_lr": 0.4}}),
            ({"shape": "cosine"}, {"schedule": {"policy": "one_cycle", "shape": "cosine"}}),
            ({"policy": "linear", "max_lr": "1"}, {"schedule": {"policy": "linear", "max_lr": 1}}),
            ({"early_stopping": 5}, {"early_stopping": {"patience": 5}}),
            ({"validation": "0.2"}, {"validation": 0.2}),
            ({"validation": "test"}, {"validation": "test"}),
            ({"pretrained": True}, {"pretrained": True}),
            ({"pretrained": True, "weights": "IMAGENET1K_V2"}, {"pretrained": "IMAGENET1K_V2"}),
            ({"augmentation": "none"}, {"augmentation": "none"}),
            ({"preset": "blog", "epochs": 3}, {"preset": "blog", "epochs": 3}),
            # what a part is, the preset knows: naming the default would replace the preset's
            ({"preset": "blog", "weight_decay": "0.1"}, {"preset": "blog", "optimizer": {"weight_decay": 0.1}}),
            ({"preset": "blog", "max_lr": "1"}, {"preset": "blog", "schedule": {"max_lr": 1}}),
            ({"preset": "blog", "optimizer": "sgd"}, {"preset": "blog", "optimizer": {"name": "sgd"}}),
            ({"augmentation": "crop=4,flip"}, {"augmentation": {"crop": 4, "flip": True}}),
        ],
    )
    def test_only_what_was_given_is_sent(self, options, expected):
        assert spec_of(**options) == {"kind": "training", **expected}

    def test_every_option_of_the_commands_has_a_place(self):
        from supercycle.cli.plans import auto, compare, tune
        from supercycle.cli.submit import range_test, train

        not_of_the_spec = {"context", "spec", "settings", "detach", "as_json", "validate_only", "idempotency_key"}
        commands = (train, range_test, compare, tune, auto)
        given = {name for command in commands for name in inspect.signature(command).parameters}
        assert given - not_of_the_spec == OPTIONS.keys()

    def test_so_has_every_option_of_clone(self):
        from supercycle.cli.again import clone

        not_of_the_spec = {"context", "job_id", "settings", "detach", "as_json", "idempotency_key"}
        assert inspect.signature(clone).parameters.keys() - not_of_the_spec == RUNNING.keys()

    def test_the_service_understands_what_they_make(self):
        from app.jobs.schemas import TrainingSubmission

        options = {
            "dataset": "digits",
            "architecture": "resnet9:width=16",
            "momentum": 0.8,
            "max_lr": "0.4",
            "shape": "triangle",
            "early_stopping": 3,
            "augmentation": "crop=1,flip",
            "validation": "0.2",
            "tags": ["a"],
            "name": "mine",
            "priority": 5,
            "device": "cuda",
            "devices": 2,
            "max_runtime": timedelta(hours=12),
            "on_time_limit": "fail",
            "max_attempts": 1,
        }
        read = TrainingSubmission.model_validate(spec_of("schedule.up=0.3", **options))
        assert (read.optimizer.momentum, read.schedule.shape, read.schedule.up) == (0.8, "triangle", 0.3)
        assert (read.priority, read.device, read.devices, read.max_attempts) == (5, "cuda", 2, 1)
        assert (read.max_runtime_seconds, read.on_time_limit) == (43_200, "fail")  # 12 · 3600


class TestChanges:
    @pytest.mark.parametrize(
        ("settings", "options", "expected"),
        [
            ([], {}, {}),
            (["epochs=20", "early_stopping=null"], {}, {"epochs": 20, "early_stopping": None}),
            (["schedule.up=0.3"], {}, {"schedule": {"up": 0.3}}),  # whichever policy the job has
            (["optimizer.weight_decay=0.1"], {}, {"optimizer": {"weight_decay": 0.1}}),
            (
                ["optimizer.weight_decay=0.1", "optimizer=adamw"],
                {},
                {"optimizer": {"name": "adamw", "weight_decay": 0.1}},
            ),
            ([], {"max_runtime": timedelta(seconds=1.5)}, {"max_runtime_seconds": 1.5}),
        ],
    )
    def test_are_only_what_was_given(self, settings, options, expected):
        assert build_changes(options=options, settings=settings) == expected


class TestEssentials:
    def test_a_preset_names_them(self):
        check_essentials({"preset": "blog"})

    def test_without_one_they_are_asked_for(self):
        with pytest.raises(typer.BadParameter, match="must be given") as caught:
            check_essentials({"dataset": "digits"})
        assert caught.value.param_hint == "--architecture"


class TestSettings:
    @pytest.mark.parametrize(
        ("setting", "expected"),
        [
            ("epochs=3", {"epochs": 3}),
            ("name=three", {"name": "three"}),
            ("early_stopping=null", {"early_stopping": None}),
            ("mixup=.5", {"mixup": 0.5}),
            ("mixup=+5.", {"mixup": 5.0}),
            ("name=1.2.3", {"name": "1.2.3"}),
            ("schedule.up=0.3", {"schedule": {"policy": "one_cycle", "up": 0.3}}),
            ("optimizer.nesterov=false", {"optimizer": {"name": "sgd", "nesterov": False}}),
            ("tags=[1,2]", {"tags": [1, 2]}),
            ("name=a=b", {"name": "a=b"}),
        ],
    )
    def test_values_are_json_where_they_can_be(self, setting, expected):
        assert spec_of(setting) == {"kind": "training", **expected}

    @pytest.mark.parametrize(
        ("setting", "place"),
        [
            ("mixup=NaN", "mixup"),
            ("schedule.max_lr=-Infinity", "schedule.max_lr"),
            ("schedule.milestones=[0.5,1e999]", "schedule.milestones.1"),
        ],
    )
    def test_numbers_that_json_lacks_are_refused(self, setting, place):
        with pytest.raises(typer.BadParameter, match="not a finite number") as caught:
            spec_of(setting)
        assert caught.value.param_hint == place

    @pytest.mark.parametrize("setting", ["epochs", "=3"])
    def test_must_name_a_field_and_a_value(self, setting):
        with pytest.raises(typer.BadParameter, match="must look like"):
            spec_of(setting)


class TestOptionsBesideSettings:
    @pytest.mark.parametrize(
        ("settings", "options", "expected"),
        [
            (
                ['schedule={"policy":"cosine"}'],
                {"max_lr": "0.03"},
                {"schedule": {"policy": "cosine", "max_lr": 0.03}},
            ),
            (["schedule.policy=cosine"], {"max_lr": "0.03"}, {"schedule": {"policy": "cosine", "max_lr": 0.03}}),
            (
                ["schedule.up=0.3", 'schedule={"policy":"one_cycle"}'],
                {},
                {"schedule": {"policy": "one_cycle", "up": 0.3}},
            ),
            (
                ['optimizer={"weight_decay":0.1}'],  # does not say which optimizer it is of
                {"optimizer": "adamw"},
                {"optimizer": {"name": "adamw", "weight_decay": 0.1}},
            ),
            (["optimizer=adamw"], {"weight_decay": "0.1"}, {"optimizer": {"name": "adamw", "weight_decay": 0.1}}),
            (
                ["architecture.width=16"],
                {"architecture": "resnet9"},
                {"architecture": {"name": "resnet9", "width": 16}},
            ),
            (["preset=blog"], {"max_lr": "1"}, {"preset": "blog", "schedule": {"max_lr": 1}}),
            (["epochs=3"], {"epochs": 3}, {"epochs": 3}),  # twice the same
        ],
    )
    def test_nothing_that_was_given_is_lost(self, settings, options, expected):
        assert spec_of(*settings, **options) == {"kind": "training", **expected}

    @pytest.mark.parametrize(
        ("setting", "options", "hint"),
        [
            ("epochs=3", {"epochs": 5}, "--epochs and --set epochs"),
            ("schedule.max_lr=0.1", {"max_lr": "0.03"}, "--max-lr and --set schedule.max_lr"),
            ('schedule={"max_lr":0.1}', {"max_lr": "0.03"}, "--max-lr and --set schedule.max_lr"),
            ('schedule={"policy":"linear"}', {"policy": "cosine"}, "--policy and --set schedule"),
            ("optimizer=sgd", {"optimizer": "adamw"}, "--optimizer and --set optimizer"),
            (
                "architecture.width=16",
                {"architecture": "resnet9:width=8"},
                "--architecture and --set architecture.width",
            ),
            ("architecture.name=mlp", {"architecture": "resnet9"}, "--architecture and --set architecture.name"),
            ("augmentation.crop=4", {"augmentation": "none"}, "--augmentation and --set augmentation.crop"),
            ("early_stopping=null", {"early_stopping": 5}, "--early-stopping and --set early_stopping"),
            ('tags=["a"]', {"tags": ["b"]}, "--tag and --set tags"),
        ],
    )
    def test_two_values_for_one_field_are_refused(self, setting, options, hint):
        with pytest.raises(typer.BadParameter, match="different things of the same field") as caught:
            spec_of(setting, **options)
        assert caught.value.param_hint == hint

    @pytest.mark.parametrize("setting", ["schedule=cosine", "schedule=null", "schedule=[0.1]"])
    def test_a_schedule_has_no_name(self, setting):
        with pytest.raises(typer.BadParameter, match="is an object; set one of its fields") as caught:
            spec_of(setting)
        assert caught.value.param_hint == "--set schedule"


class TestBase:
    @pytest.fixture
    def base(self, tmp_path):
        def write(content):
            path = tmp_path / "spec.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            return path

        return write

    def test_options_win_over_the_file(self, base):
        path = base({"epochs": 5, "seed": 1, "optimizer": "adamw"})
        expected = {"kind": "training", "epochs": 9, "seed": 1, "optimizer": {"name": "adamw", "weight_decay": 0.1}}
        assert spec_of(base=path, epochs=9, weight_decay="0.1") == expected

    def test_a_field_needs_an_object(self, base):
        with pytest.raises(typer.BadParameter, match="is 'none', which has no field 'crop'"):
            spec_of("augmentation.crop=4", base=base({"augmentation": "none"}))

    def test_another_optimizer_keeps_nothing_of_the_first(self, base):
        path = base({"optimizer": {"name": "sgd", "momentum": 0.8}, "schedule": {"policy": "linear", "max_lr": 1}})
        spec = spec_of(base=path, optimizer="adam", policy="linear")
        assert spec["optimizer"] == {"name": "adam"}
        assert spec["schedule"] == {"policy": "linear", "max_lr": 1}  # it is still the same policy

    @pytest.mark.parametrize("content", ["{", "[]", '{"kind": "range_test"}'])
    def test_must_be_a_spec_of_this_kind(self, base, content):
        with pytest.raises(typer.BadParameter, match=r"spec\.json"):
            spec_of(base=base(content))
