"""The figures of a comparison, against arithmetic by hand, and what it makes of gaps."""

import csv
import io

import pytest

from app.domain.specs import parse_spec
from tests.worker.reports.trainings import MINIMAL, arm, record
from worker.reports.comparison import Comparison
from worker.reports.speed import UNITS
from worker.reports.tables import as_csv


@pytest.fixture
def compared():
    def make(*records, **fields):
        return Comparison.of(parse_spec(MINIMAL | fields), [one for group in records for one in group])

    return make


class TestGoal:
    @pytest.mark.parametrize(
        ("ours", "verdict"),
        [
            ([0.92, 0.91, 0.93], "met"),
            ([0.80, 0.81, 0.79], "not_met"),
            ([0.80, 0.95, 0.90], "inconclusive"),
        ],
    )
    def test_by_the_whole_interval(self, compared, ours, verdict):
        found = compared(arm("baseline", [0.92, 0.92, 0.92]), arm("one_cycle", ours)).result()["verdict"]
        assert found["verdict"] == verdict
        assert found["difference"]["n"] == 3
        assert found["reason"].endswith("-3.")

    def test_interval_is_students(self, compared):
        """Differences -1, 0 and 1 points: deviation 1, half width t(.975, 2) / sqrt(3) = 4.3027 / 1.7321 = 2.4841."""
        found = compared(arm("baseline", [0.9, 0.9, 0.9]), arm("one_cycle", [0.89, 0.90, 0.91])).result()["verdict"]
        assert found["difference"]["mean"] == pytest.approx(0.0, abs=1e-9)
        assert found["difference"]["interval"] == pytest.approx([-2.4841, 2.4841], abs=1e-3)

    def test_differences_are_taken_seed_by_seed(self, compared):
        """Seeds that are good or bad for both arms alike say nothing about the arms."""
        found = compared(arm("baseline", [0.5, 0.7, 0.9]), arm("one_cycle", [0.49, 0.69, 0.89])).result()["verdict"]
        assert found["difference"]["interval"] == pytest.approx([-1, -1])

    def test_a_single_seed_decides_nothing(self, compared):
        found = compared(arm("baseline", [0.9]), arm("one_cycle", [0.99]), seeds=1).result()
        assert found["verdict"]["verdict"] == "inconclusive"
        assert found["verdict"]["difference"]["interval"] is None
        assert "single seed" in found["verdict"]["reason"]
        assert "single seed" in found["warnings"][0]

    def test_seeds_that_failed_leave_the_lucky_ones(self, compared):
        lost = record("one_cycle/2", state="failed", error={"code": "lr_diverged", "detail": "So."}, result=None)
        found = compared(arm("baseline", [0.9] * 3), arm("one_cycle", [0.9] * 2), [lost]).result()["verdict"]
        assert found["verdict"] == "inconclusive"
        assert "seeds failed or were cancelled (2)" in found["reason"]

    def test_no_pair_of_seeds_decides_nothing(self, compared):
        only = [record("baseline/0"), record("one_cycle/1")]
        found = compared(only).result()["verdict"]
        assert (found["verdict"], found["difference"]) == ("inconclusive", None)

    def test_without_a_test_split_by_validation(self, compared):
        without = [record(f"{name}/{seed}", test=None, best=best)
                   for name, best in (("baseline", 0.9), ("one_cycle", 0.95)) for seed in range(3)]  # fmt: skip
        found = compared(without).result()
        assert found["measure"] == "validation_accuracy"
        assert found["verdict"]["difference"]["mean"] == pytest.approx(5)
        assert any("test split" in warning for warning in found["warnings"])

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({}, "There is no test split"),
            ({"validation": "test"}, "Validation is on the test split"),
            ({"evaluate_test": False}, "evaluate_test is false"),
        ],
    )
    def test_says_why_figures_are_of_validation_images(self, compared, fields, words):
        runs = [*arm("baseline", [None] * 3), *arm("one_cycle", [None] * 3)]
        (warning,) = compared(runs, **fields).warnings()
        assert warning == f"{words}: figures are of the images that the best epoch was picked by."


class TestFewestEpochs:
    def test_as_far_down_as_all_larger_ones_hold(self, compared):
        arms = [arm("baseline", [0.9] * 3), arm("one_cycle@0.5", [0.9] * 3), arm("one_cycle", [0.89] * 3)]
        found = compared(*arms, arm("one_cycle@0.125", [0.5] * 3), fractions=[0.5, 0.125]).result()
        assert found["fewest_epochs"] == {"arm": "one_cycle", "fraction": 0.25, "epochs": 2}
        assert [one["verdict"] for one in found["fractions"]] == ["met", "met", "not_met"]

    def test_none_where_the_largest_does_not(self, compared):
        arms = [arm("baseline", [0.9] * 3), arm("one_cycle@0.5", [0.5] * 3), arm("one_cycle", [0.9] * 3)]
        assert compared(*arms, fractions=[0.5]).result()["fewest_epochs"] is None


class TestControls:
    def test_the_best_is_picked_by_validation(self, compared):
        """Its luck on the test split must not pick it."""
        arms = [arm("baseline", [0.9] * 3), arm("one_cycle", [0.9] * 3)]
        arms += [arm("linear", [0.99] * 3, best=0.8), arm("cosine", [0.85] * 3, best=0.9)]
        found = compared(*arms).result()["one_cycle_minus_best_control"]
        assert found["control"] == "cosine"
        assert found["difference"]["mean"] == pytest.approx(5)

    def test_none_without_one(self, compared):
        assert (
            compared(arm("baseline", [0.9]), arm("one_cycle", [0.9])).result()["one_cycle_minus_best_control"] is None
        )


class TestReaching:
    def test_the_first_epoch_as_good_as_the_baseline(self, compared):
        baseline = arm("baseline", [0.9] * 3, best=0.8, accuracy=[0.2, 0.5, 0.7, 0.8])
        quick = arm("one_cycle", [0.9] * 3, best=0.85, accuracy=[0.4, 0.85])
        found = compared(baseline, quick).result()["arms"]
        assert found["one_cycle"]["to_baseline"] == {
            "validation_accuracy": pytest.approx(0.8), "reached": 3, "of": 3, "epochs": 2, "steps": 20, "seconds": 2,
        }  # fmt: skip
        assert found["baseline"]["to_goal"]["epochs"] == 4  # 0.77 and more
        assert found["one_cycle"]["speed_up"]["epochs"] == 2

    def test_is_of_the_epochs_as_they_were_scored(self, compared):
        """Exact batch-norm statistics change the best weights' accuracy at the end: none of these epochs was that."""
        exact = arm("baseline", [0.9] * 3, best=0.95, accuracy=[0.5, 0.8, 0.7])
        found = compared(exact, arm("one_cycle", [0.9] * 3, best=0.7, accuracy=[0.8, 0.6])).result()["arms"]
        assert found["baseline"]["to_baseline"]["validation_accuracy"] == pytest.approx(0.8)
        assert [found[name]["to_baseline"]["epochs"] for name in ("baseline", "one_cycle")] == [2, 1]

    def test_never(self, compared):
        found = compared(arm("baseline", [0.9] * 3, best=0.9), arm("one_cycle", [0.9] * 3, best=0.6)).result()
        assert found["arms"]["one_cycle"]["to_baseline"]["reached"] == 0
        assert found["arms"]["one_cycle"]["to_baseline"]["epochs"] is None

        assert found["arms"]["one_cycle"]["speed_up"] == {"reached": 0, "of": 3, **dict.fromkeys(UNITS)}
        assert found["arms"]["one_cycle"]["cost_ratio"]["seconds"] == 1

    def test_speed_up_is_of_the_pairs_that_both_get_there(self, compared):
        """Baseline's best are .8, .8 and .47, on average .69: its third never gets there, nor one cycle's second."""
        curves = [[0.2, 0.7, 0.7, 0.8], [0.2, 0.3, 0.7, 0.8], [0.47] * 4]
        baseline = [record(f"baseline/{seed}", accuracy=curve) for seed, curve in enumerate(curves)]
        quick = [record(f"one_cycle/{seed}", accuracy=curve) for seed, curve in enumerate([[0.7], [0.6], [0.9]])]
        found = compared(baseline, quick, [record("linear/7", accuracy=[0.9])]).result()["arms"]
        speed = found["one_cycle"]["speed_up"]
        assert (speed["reached"], speed["of"], speed["epochs"], speed["steps"], speed["seconds"]) == (1, 3, 2, 2, 2)
        assert found["one_cycle"]["cost_ratio"]["epochs"] == 4
        assert (found["baseline"]["speed_up"]["reached"], found["baseline"]["speed_up"]["epochs"]) == (2, 1)
        assert found["linear"]["speed_up"] is None  # it has no seed in common

    def test_with_the_search_each_pays_for_its_own(self, compared):
        baseline = arm("baseline", [0.9] * 3, accuracy=[0.1, 0.2, 0.3, 0.4])
        quick = arm("one_cycle", [0.9] * 3, accuracy=[0.3, 0.4])
        quick[0]["search_seconds"], quick[0]["result"]["search_steps"] = 2.0, 20
        found = compared(baseline, quick).result()["arms"]["one_cycle"]
        assert found["search"] == {"steps": 20, "seconds": 2.0}
        for one in ("speed_up", "cost_ratio"):
            assert (found[one]["seconds"], found[one]["seconds_with_search"]) == (2, 1)  # 4 / 2, 4 / (2 + 2)
            assert (found[one]["steps"], found[one]["steps_with_search"]) == (2, 1)


class TestComputation:
    @pytest.fixture
    def warned(self, compared):
        """The warnings about trainings of these precisions, by arm and seed."""

        def find(precisions, **fields):
            runs = [record(f"{name}/{seed}", resolved={"precision": {"value": value}, "compile": {"value": "off"}})
                    for name, values in precisions.items() for seed, value in enumerate(values)]  # fmt: skip
            return compared(runs, **fields).result()["warnings"]

        return find

    def test_that_differs_is_told_with_the_arms(self, warned):
        found = warned({"baseline": ["fp32"] * 3, "one_cycle": ["bf16", "fp32", "fp32"], "linear": ["bf16"] * 3})
        assert found == [
            "precision differs, which no arm asked for: bf16 in one_cycle (seed 0), linear; fp32 in baseline, "
            "one_cycle (seeds 1, 2). A difference may be due to that; give one."
        ]

    def test_that_is_alike_is_not(self, warned):
        assert warned({"baseline": ["fp32"] * 3, "one_cycle": ["fp32"] * 3}) == []

    @pytest.mark.parametrize("fields", [{"precision": "fp32"}, {"arms": {"linear": {"precision": "bf16"}}}])
    def test_that_was_asked_for_is_not(self, warned, fields):
        assert warned({"baseline": ["fp32"] * 3, "linear": ["bf16"] * 3}, **fields) == []


class TestGaps:
    def test_a_failure_is_named_and_the_rest_goes_on(self, compared):
        error = {"code": "lr_diverged", "detail": "It diverged."}
        lost = record("linear/0", state="failed", error=error, result=None)
        found = compared(arm("baseline", [0.9] * 3), arm("one_cycle", [0.9] * 3), [lost]).result()
        assert found["verdict"]["verdict"] == "met"
        assert found["arms"]["linear"]["test_accuracy"] is None
        assert found["arms"]["linear"]["failures"] == [
            {"seed": 0, "job_id": "job_linear/0", "state": "failed", "code": "lr_diverged", "detail": "It diverged."}
        ]
        assert found["warnings"] == ["1 of the trainings failed or were cancelled, of: linear."]

    def test_one_that_was_cancelled_has_no_code_of_an_error(self, compared):
        lost = record("one_cycle/0", state="cancelled", result=None)
        found = compared(arm("baseline", [0.9] * 3), [lost]).result()
        failure = found["arms"]["one_cycle"]["failures"][0]
        assert (failure["state"], failure["code"]) == ("cancelled", "cancelled")

    def test_the_table_has_the_state_they_ended_in(self, compared):
        error = {"code": "lr_diverged", "detail": "It diverged."}
        lost = [record("one_cycle/0", state="cancelled", result=None),
                record("one_cycle/1", state="failed", error=error, result=None)]  # fmt: skip
        rows = csv.DictReader(io.StringIO(as_csv(compared(arm("baseline", [0.9] * 3), lost))))
        assert [row["state"] for row in rows] == ["succeeded"] * 3 + ["cancelled", "failed"]

    def test_what_was_taken_over_says_so(self, compared):
        reused = {"reused": {"value": "job_before", "origin": "reuse", "reason": "."}}
        found = compared([record("baseline/0", resolved=reused)]).result()
        assert found["arms"]["baseline"]["reused"] == ["job_before"]
