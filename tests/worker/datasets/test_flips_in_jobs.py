"""A job that mirrors images of signs says so, once; of folders nobody knows what their images mean."""

import pytest

from worker.engine.events import Warned
from worker.messages import Settled
from worker.work import run

RANGE_TEST = {
    "kind": "range_test", "dataset": "digits", "architecture": {"name": "mlp", "width": 4}, "steps": 20,
    "batch_size": 32, "precision": "fp32",
}  # fmt: skip
TRAINING = {
    "kind": "training", "dataset": "digits", "architecture": {"name": "mlp", "width": 4}, "epochs": 1,
    "batch_size": 256, "precision": "fp32", "schedule": {"max_lr": 0.01},
}  # fmt: skip
FLIP = {"augmentation": {"crop": 1, "flip": True}}


class Line:
    def __init__(self):
        self.told, self.resolved = [], {}

    def emit(self, event):
        if isinstance(event, Warned) and event.code == "flip_changes_meaning":
            self.told.append(event.detail)

    def stop_requested(self):
        return None

    def send(self, message):
        if isinstance(message, Settled):
            self.resolved[message.name] = {"value": message.value, "origin": message.origin, "reason": message.reason}


@pytest.fixture
def line(tmp_path, assignment_of):
    """Run a job, of the digits unless another source is given; what it said of flips, and what it settled."""

    def ran(spec, **facts):
        line = Line()
        run(assignment_of(tmp_path, spec, **facts), line)
        return line

    return ran


class TestSigns:
    def test_test_time_flip_of_digits_is_told(self, line):
        [detail] = line(TRAINING | {"test_time_flip": True}).told
        assert detail.endswith("set test_time_flip to false.")

    def test_so_is_their_augmentation_in_a_range_test(self, line):
        [detail] = line(RANGE_TEST | FLIP).told
        assert detail.endswith("set augmentation.flip to false.")

    def test_the_attempt_after_does_not_repeat_it(self, line):
        first = line(RANGE_TEST | FLIP)
        again = line(RANGE_TEST | FLIP, resolved=first.resolved)
        assert (len(first.told), again.told) == (1, [])

    def test_what_a_plan_has_settled_is_no_attempt(self, line):
        proposed = {"value": {"label_smoothing": 0.1}, "origin": "search", "reason": "."}
        assert len(line(RANGE_TEST | FLIP, resolved={"proposed": proposed}).told) == 1


class TestFolders:
    def test_is_not_guessed_at_whatever_its_name(self, line, make_folder, make_picture, as_source):
        pictures = {
            f"{kind}/{number}.png": make_picture(level + number, size=(8, 8), mode="L")
            for kind, level in (("cat", 40), ("dog", 200))
            for number in range(4)
        }
        assert line(RANGE_TEST | FLIP, dataset=as_source(make_folder(pictures, "digits"))).told == []
