"""The sweep that looks for a training's learning rate does the training's work."""

import pytest
from pydantic import ValidationError

from app.domain.specs import RangeTestSpec, TrainingSpec, parse_spec

TRAINING = {"kind": "training", "dataset": "digits", "architecture": "resnet9"}


class TestRangeTestOfATraining:
    def test_does_the_same_work_on_the_same_data(self):
        training = parse_spec(
            {**TRAINING, "optimizer": "adamw", "batch_size": 64, "seed": 7, "validation": "test", "image_size": 16,
             "augmentation": {"crop": 2}, "precision": "bf16", "epochs": 3, "accumulation_steps": 2, "mixup": 0.2,
             "gradient_clip": 1, "label_smoothing": 0.1, "cutmix": 1, "cutout": 4, "deterministic": True}
        )  # fmt: skip
        sweep = training.range_test()
        for field in set(RangeTestSpec.model_fields) & set(TrainingSpec.model_fields) - {"kind"}:
            assert getattr(sweep, field) == getattr(training, field)
        assert (sweep.kind, sweep.bounds) == ("range_test", (1e-7, 1.0))

    def test_looks_at_held_out_images_where_asked(self):
        training = parse_spec(TRAINING)
        assert [training.range_test(held_out=every).held_out for every in (None, 1)] == [None, 1]

    def test_nothing_in_a_spec_changes_after_submission(self):
        with pytest.raises(ValidationError, match="frozen"):
            parse_spec(TRAINING).epochs = 3
