import json

import pytest
import torch

from app.domain.specs import parse_spec
from worker.engine.errors import ImageSizeUnfit, NoTestSplit, WeightsUnavailable


class TestImageSize:
    @pytest.mark.parametrize(
        ("architecture", "asked", "expected", "origin"),
        [
            ("mlp", None, 8, "dataset"),
            ("lenet", None, 16, "architecture"),  # digits have 8 px
            ("vit_b_16", None, 16, "architecture"),
            ("alexnet", None, 63, "architecture"),
            ("resnet9", 24, 24, "spec"),
        ],
    )
    def test_is_the_sources_raised_to_the_networks(
        self, spec_of, prepared, striped, architecture, asked, expected, origin
    ):
        workload = prepared(spec_of(architecture=architecture, image_size=asked), striped)
        assert workload.form.side == expected
        assert workload.resolved["image_size"].origin == origin

    @pytest.mark.parametrize(
        ("architecture", "asked", "says"),
        [("lenet", 12, "takes images of 16 px or more, not 12"), ("vit_b_16", 40, "a multiple of 16 px, not 40")],
    )
    def test_what_does_not_fit_is_refused(self, spec_of, prepared, striped, architecture, asked, says):
        with pytest.raises(ImageSizeUnfit, match=says):
            prepared(spec_of(architecture=architecture, image_size=asked), striped)


class TestChoices:
    def test_grey_becomes_colour_where_the_network_insists(self, spec_of, prepared, striped):
        workload = prepared(spec_of(architecture="squeezenet1_1", image_size=32), striped)
        pixels, _ = next(workload.validation.in_order())
        assert pixels.shape[1:] == (3, 32, 32)

    def test_validation_share_and_test_split(self, spec_of, prepared, striped):
        held_out = prepared(spec_of(), striped)
        assert (len(held_out.training), len(held_out.validation), len(held_out.test)) == (54, 18, 24)  # a quarter of 72
        on_test = prepared(spec_of(validation="test"), striped)
        assert (len(on_test.training), len(on_test.validation), on_test.test) == (72, 24, None)

    def test_no_test_split_to_validate_on(self, spec_of, prepared, coloured):
        with pytest.raises(NoTestSplit, match="no test split"):
            prepared(spec_of(validation="test"), coloured)

    def test_batch_shrinks_to_the_images_that_are_left(self, spec_of, prepared, coloured):
        workload = prepared(spec_of(batch_size=24), coloured)
        assert workload.steps_per_epoch == 1
        assert workload.resolved["batch_size"].value == 18
        assert "18 images are left" in workload.resolved["batch_size"].reason

    @pytest.mark.parametrize(
        ("batch_size", "asked", "expected", "steps", "origin"),
        [
            (4, 3, 3, 1, "spec"),  # 18 // 12
            (4, 4, 4, 1, "spec"),
            (4, 5, 4, 1, "dataset"),  # 18 // 4 = 4 batches are all there are
            (2, 2, 2, 4, "spec"),
            (24, 2, 1, 1, "dataset"),  # the batch itself had to shrink
        ],
    )
    def test_accumulation(self, spec_of, prepared, coloured, batch_size, asked, expected, steps, origin):
        workload = prepared(spec_of(batch_size=batch_size, accumulation_steps=asked), coloured)
        resolved = workload.resolved["accumulation_steps"]
        assert (resolved.value, resolved.origin) == (expected, origin)
        assert (workload.accumulation_steps, workload.steps_per_epoch) == (expected, steps)

    def test_what_is_deterministic_says_so(self, spec_of, prepared, striped):
        resolved = prepared(spec_of(deterministic=True), striped).resolved["deterministic"]
        assert (resolved.value, resolved.reason) == (True, "deterministic kernels alone, and no trial for the fastest")
        assert prepared(spec_of(), striped).resolved["deterministic"].value is False

    @pytest.mark.parametrize(
        ("asked", "expected", "origin"),
        [
            ("default", {"crop": 1, "flip": False}, "dataset"),
            ("none", {"crop": 0, "flip": False}, "spec"),
            ({"crop": 3, "flip": True}, {"crop": 3, "flip": True}, "spec"),
        ],
    )
    def test_augmentation(self, spec_of, prepared, striped, asked, expected, origin):
        resolved = prepared(spec_of(augmentation=asked), striped).resolved["augmentation"]
        assert (resolved.value, resolved.origin) == (expected, origin)

    def test_origins_are_those_of_the_stored_spec(self, spec_of, prepared, striped):
        stored = parse_spec(spec_of().model_dump(mode="json"))  # with every default written out, as a row has it
        resolved = prepared(stored, striped).resolved
        assert (resolved["batch_size"].origin, resolved["batch_size"].reason) == ("spec", "as the spec says")
        assert (resolved["device"].origin, resolved["device"].reason) == ("worker", "as the worker was started")
        assert resolved["pretrained"].origin == "spec"
        assert {name: resolved[name].origin for name in ("validation", "augmentation", "normalize")} == {
            "validation": "dataset", "augmentation": "dataset", "normalize": "default",
        }  # fmt: skip

    def test_imagenet_statistics(self, spec_of, prepared, coloured):
        workload = prepared(spec_of(preprocessing={"normalize": "imagenet"}), coloured)
        assert workload.form.mean == [0.485, 0.456, 0.406]

    def test_missing_weights_fail_while_preparing(self, spec_of, prepared, striped, monkeypatch):
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")  # nothing listens there
        with pytest.raises(WeightsUnavailable, match="mobilenet_v2"):
            prepared(spec_of(architecture="mobilenet_v2", pretrained=True), striped)


class TestNetwork:
    def test_is_the_seeds(self, spec_of, prepared, striped):
        def first_weight(seed):
            return next(prepared(spec_of(seed=seed), striped).fresh_network().parameters())

        assert torch.equal(first_weight(1), first_weight(1))
        assert not torch.equal(first_weight(1), first_weight(2))

    def test_leaves_the_global_generator(self, spec_of, prepared, striped):
        before = torch.get_rng_state()
        prepared(spec_of(), striped).fresh_network()
        assert torch.equal(torch.get_rng_state(), before)


class TestComputation:
    def test_a_trial_is_remembered_beside_the_data(self, spec_of, prepared, striped, tmp_path):
        long = spec_of(precision="auto", epochs=100)  # 54 images in batches of 16: 3 a pass, 300 in all
        first = prepared(long, striped, trials=tmp_path / "trials.json")
        seconds = [list(entry) for entry in json.loads((tmp_path / "trials.json").read_text()).values()]
        second = prepared(long, striped, trials=tmp_path / "trials.json")
        assert first.precision == second.precision
        native = first.resolved["precision"].origin == "measured"  # else the CPU computes in fp32 alone
        assert seconds == ([["fp32", "bf16"]] if native else [["fp32"]])

    def test_what_an_earlier_attempt_settled_stays(self, spec_of, prepared, striped):
        settled = {"precision": {"value": "bf16", "origin": "measured", "reason": "it was faster"}}
        workload = prepared(spec_of(precision="auto"), striped, settled=settled)
        assert (workload.precision, workload.resolved["precision"].reason) == ("bf16", "it was faster")
