"""The report of a tuning: pictures and tables of what each stage has found."""

import json

import pytest

from app.domain.batch_norm import Comparison, Followed
from app.domain.lifecycle import JobState
from app.domain.plans import Child, plan_of
from app.domain.specs import parse_spec
from worker.reports import tuning
from worker.reports.tuning import report_tuning

MINIMAL = {"kind": "tuning", "dataset": "digits", "architecture": "resnet9", "epochs": 10}
GAPS = Comparison([Followed(0.4, 0.5, 0.9), Followed(0.1, 0.6, 0.9)], 0.49, 0.9).as_dict()
CURVE = {"learning_rate": [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0], "smoothed_loss": [2.3, 2.3, 2.3, 1.0, 2.0, 2.3]}
LOOKS = {"held_out_loss": [1.5] * 6}
SETTLED = {
    "batch_size": {"value": 32, "origin": "measured", "reason": "the gradient noise scale is 40"},
    "noise_scale": {"value": 40.0, "origin": "measured", "reason": "equally large"},
}


def record_of(new):
    """A job that did what its plan asked."""
    spec, name = new.spec.model_dump(mode="json"), new.key.rpartition("/")[2]
    facts = {"key": new.key, "id": f"job_{new.key}", "kind": spec["kind"], "state": "succeeded", "error": None}
    facts |= {"spec": spec, "resolved": SETTLED if name == "auto" else {}, "seconds": 3.0, "steps": 10}
    if spec["kind"] == "range_test":
        curve = CURVE | (LOOKS if spec["held_out"] else {})
        read = {"max_lr": 0.5, "landmarks": {"edge": 1.0}, "lowest_loss": 1.0}
        return facts | {"result": read, "sweep": curve}
    last = {"validation_loss": 0.4, "validation_accuracy": 0.9}
    result = {"last": last, "seconds": 2.0, "search_steps": 5, "epochs_run": new.spec.epochs, "batch_norm": GAPS}
    return facts | {"result": result, "sweep": None}


@pytest.fixture
def reported(tmp_path):
    """Plays a tuning in which every job succeeds, and makes its report."""

    def report(changed=dict, **fields):
        spec = parse_spec(MINIMAL | fields)
        plan, records, children = plan_of(spec), [], {}
        settled = plan.settle(lambda _: 9)
        while not (step := plan.advance(settled, children, None)).is_over:
            records += [changed(record_of(one)) for one in step.new]
            names = ("key", "id", "spec", "resolved", "result", "seconds")
            children = {one["key"]: Child(state=JobState.SUCCEEDED, **{n: one[n] for n in names}) for one in records}
        request = {"id": "job_x", "name": None, "spec": spec.model_dump(mode="json"), "resolved": settled}
        return report_tuning(request | {"children": records}, tmp_path), tmp_path

    return report


class TestPictures:
    @pytest.mark.parametrize(
        ("stage", "expected"),
        [
            ("batch_size", {"noise_scale", "tuning_batch_size"}),
            ("weight_decay", {"sweeps_weight_decay", "tuning_weight_decay"}),
            ("momentum", {"sweeps_momentum", "tuning_momentum"}),
            ("batch_norm_momentum", {"batch_norm"}),
        ],
    )
    def test_each_stage_has_its_own(self, reported, stage, expected):
        result, folder = reported(tune=[stage])
        assert {name.removesuffix(".png") for name in result["files"] if name.endswith(".png")} == expected
        page = (folder / "report.html").read_text()
        assert page.count('src="data:image/png;base64,') == len(expected)

    def test_the_noise_scale_is_said_and_drawn(self, reported):
        result, folder = reported(tune=["batch_size"])
        assert "32 is recommended: the gradient noise scale is 40." in result["decisions"][0]["reason"]
        assert "<!-- gradient noise scale 40 -->" in (folder / "noise_scale.svg").read_text()
        assert "<!-- batch size 32 -->" in (folder / "noise_scale.svg").read_text()


class TestSweeps:
    @pytest.mark.parametrize(("stage", "losses"), [("momentum", {1.0, 2.0, 2.3}), ("weight_decay", {1.5})])
    def test_are_drawn_by_the_loss_that_they_were_read_off(self, reported, monkeypatch, stage, losses):
        drawn, plot = [], tuning.plot_sweeps
        monkeypatch.setattr(
            tuning, "plot_sweeps", lambda sweeps, **about: drawn.extend(sweeps) or plot(sweeps, **about)
        )
        reported(tune=[stage])
        assert {round(float(loss), 6) for one in drawn for loss in one.losses} == losses


class TestCost:
    def test_counts_the_steps_of_searches(self, reported):
        """Momentum: a sweep of 10 steps, and 4 trainings of 10 with 5 to search."""
        result, folder = reported(tune=["momentum"])
        assert result["cost"] == {"jobs": 5, "reused": 0, "failed": 0, "steps": 10 + 4 * 15, "seconds": 5 * 3.0}
        assert "5 jobs, 70 optimizer steps, 15 s" in (folder / "report.md").read_text()

    def test_what_was_taken_over_has_cost_nothing(self, reported):
        def reused(record):
            took = record["kind"] == "range_test"
            return record | {"resolved": {"reused": {"value": "job_before"}} if took else {}}

        result, _ = reported(changed=reused, tune=["momentum"])
        assert result["cost"] == {"jobs": 5, "reused": 1, "failed": 0, "steps": 4 * 15, "seconds": 4 * 3.0}
        assert result["decisions"][0]["cost"] == result["cost"]


class TestBudget:
    def test_what_it_was_too_small_for_stands_in_front(self, reported):
        """Sweeps of 3 s use it up before any decay is tried."""
        result, folder = reported(tune=["weight_decay", "momentum"], budget_seconds=10)
        page = (folder / "report.md").read_text()
        lead = "Nothing was chosen. The budget of 10 s did not suffice to try all of: weight decay, momentum."
        assert lead in page
        assert [one["is_cut_short"] for one in result["decisions"]] == [True, True]
        assert page.count("The budget did not suffice to try all of this.") == 1
        assert page.count("The budget did not suffice to try this.") == 1

    def test_one_that_sufficed_is_not_spoken_of(self, reported):
        _, folder = reported(tune=["momentum"], budget_seconds=1000)
        assert "udget" not in (folder / "report.md").read_text()


class TestTables:
    def test_the_training_can_be_submitted(self, reported):
        _, folder = reported()
        training = json.loads((folder / "training.json").read_text())
        assert parse_spec(training).kind == "training"
        assert training["batch_norm_momentum"] == "auto"
