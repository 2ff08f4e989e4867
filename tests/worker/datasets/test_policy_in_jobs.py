"""A job's resize policy reaches its pictures, and the model says which it was."""

import pytest

from app.domain.specs import Augmentation, TrainingSpec, parse_spec
from worker.messages import Settled
from worker.work import run

SPEC = {
    "kind": "training", "dataset": "pets", "architecture": {"name": "mlp", "width": 4}, "epochs": 1, "batch_size": 2,
    "precision": "fp32", "schedule": {"policy": "one_cycle", "max_lr": 0.01},
}  # fmt: skip


class Line:
    def __init__(self):
        self.settled = {}

    def emit(self, event):
        pass

    def stop_requested(self):
        return None

    def send(self, message):
        if isinstance(message, Settled):
            self.settled[message.name] = (message.value, message.origin)


@pytest.fixture
def trained(tmp_path, assignment_of, make_folder, make_picture, as_source):
    """Train on dark and light pictures of 12 × 4; the model's facts and what was settled on the way."""

    def train(**changes):
        levels = {"cat": 40, "dog": 200}
        files = {
            f"{kind}/{number}.png": make_picture(level + number, size=(12, 4), mode="L")
            for kind, level in levels.items()
            for number in range(4)
        }
        assignment = assignment_of(
            tmp_path,
            parse_spec(SPEC | changes).model_dump(mode="json"),
            dataset=as_source(make_folder(files), side=4),
            default_image_size=4,
            default_validation=0.25,
            default_augmentation=Augmentation(crop=0),
        )
        line = Line()
        return run(assignment, line).model.facts["preprocessing"], line.settled

    return train


class TestPolicy:
    def test_pictures_are_cropped_unless_the_spec_says_otherwise(self, trained):
        preprocessing, _ = trained()
        assert (preprocessing["resize"], preprocessing["resize_policy"]) == (4, "crop")
        assert preprocessing["mean"] == pytest.approx([121.5 / 255])  # (41.5 + 201.5) / 2: no black in it

    def test_padding_shows_in_pixels_and_in_the_model(self, trained):
        preprocessing, settled = trained(preprocessing={"resize": "pad"})
        assert preprocessing["resize_policy"] == "pad"
        assert preprocessing["mean"] == pytest.approx([121.5 / 255 / 4])  # 12 × 4 becomes one row of four
        assert settled["normalize"] == ("dataset", "default")  # saying one thing leaves the other open

    @pytest.mark.parametrize("given", ["squash", None, 4])
    def test_others_are_refused(self, given):
        with pytest.raises(ValueError, match="resize"):
            TrainingSpec.model_validate(SPEC | {"preprocessing": {"resize": given}})
