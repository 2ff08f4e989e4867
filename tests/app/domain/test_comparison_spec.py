"""What a comparison says, which arms follow from it, and what is refused before anything is queued."""

import pytest
from pydantic import ValidationError

from app.domain.specs import ComparisonSpec, parse_spec
from app.domain.specs.comparison import MOST_CHILDREN, arms_of

MINIMAL = {"kind": "comparison", "dataset": "digits", "architecture": "mlp"}


@pytest.fixture
def compared():
    def make(**fields):
        return parse_spec(MINIMAL | fields)

    return make


@pytest.fixture
def refused(compared):
    """The place and the words of the one error."""

    def find(**fields):
        with pytest.raises(ValidationError) as caught:
            compared(**fields)
        (entry,) = caught.value.errors()
        place = [str(part) for part in entry["loc"] if part != "comparison"]
        if entry["type"] == "fields_at_odds":
            place.append(entry["ctx"]["field"])
        return "/".join(place), entry["msg"]

    return find


class TestArms:
    def test_without_a_word_the_case_study(self, compared):
        arms = arms_of(compared())
        assert {name: (arm.epochs, arm.schedule.policy) for name, arm in arms.items()} == {
            "baseline": (20, "step"),
            "one_cycle": (5, "one_cycle"),
            "linear": (5, "linear"),
            "cosine": (5, "cosine"),
            "constant": (5, "constant"),
            "step": (5, "step"),
        }
        assert {arm.schedule.max_lr for arm in arms.values()} == {"auto"}

    @pytest.mark.parametrize(
        ("epochs", "fraction", "few"),
        [(85, 0.15, 12), (6, 0.25, 1), (30, 0.1, 3), (10, 0.3, 3)],  # 12.75, 1.5, and what binary fractions make of 3
    )
    def test_epochs_are_never_more_than_the_share(self, compared, epochs, fraction, few):
        arms = arms_of(compared(epochs=epochs, fraction=fraction))
        assert (arms["baseline"].epochs, arms["one_cycle"].epochs) == (epochs, few)

    def test_further_shares_the_largest_first(self, compared):
        arms = arms_of(compared(fractions=[0.125, 0.25, 0.5]))
        assert list(arms)[:4] == ["baseline", "one_cycle", "one_cycle@0.5", "one_cycle@0.125"]
        assert (arms["one_cycle@0.5"].epochs, arms["one_cycle@0.125"].epochs) == (10, 2)

    def test_all_share_what_the_spec_says(self, compared):
        spec = compared(optimizer={"name": "adamw", "weight_decay": 0.1}, batch_size=64, ema=0.9, seed=7)
        for arm in arms_of(spec).values():
            assert (arm.optimizer.name, arm.optimizer.weight_decay) == ("adamw", 0.1)
            assert (arm.batch_size, arm.ema, arm.seed, arm.dataset.name) == (64, 0.9, 7, "digits")

    def test_one_is_changed_field_by_field(self, compared):
        arms = arms_of(compared(arms={"one_cycle": {"schedule": {"shape": "cosine"}, "batch_size": 32}}))
        assert (arms["one_cycle"].schedule.shape, arms["one_cycle"].batch_size) == ("cosine", 32)
        assert arms["linear"].batch_size == 128

    def test_null_within_one_takes_away_what_all_share(self, compared):
        shared = {"early_stopping": {"patience": 3}, "ema": 0.9, "optimizer": {"name": "sgd", "weight_decay": 0.1}}
        change = {"early_stopping": None, "ema": None, "optimizer": {"weight_decay": None}}
        arms = arms_of(compared(**shared, arms={"baseline": change}))
        baseline, others = arms.pop("baseline"), list(arms.values())
        assert (baseline.early_stopping, baseline.ema, baseline.optimizer.weight_decay) == (None, None, 5e-4)
        assert {(arm.early_stopping.patience, arm.ema, arm.optimizer.weight_decay) for arm in others} == {(3, 0.9, 0.1)}

    def test_null_leaves_one_out(self, compared):
        assert "linear" not in arms_of(compared(arms={"linear": None}))

    def test_another_name_is_one_cycle_with_changes(self, compared):
        arms = arms_of(
            compared(arms={"mine": {"optimizer": "adam"}, "slow": {"epochs": 30, "schedule": {"policy": "linear"}}})
        )
        assert (arms["mine"].schedule.policy, arms["mine"].epochs, arms["mine"].optimizer.name) == (
            "one_cycle",
            5,
            "adam",
        )
        assert (arms["slow"].schedule.policy, arms["slow"].epochs) == ("linear", 30)

    def test_the_row_gives_the_same_arms(self, compared):
        spec = compared(arms={"mine": {"epochs": 3}}, fractions=[0.5])
        again = parse_spec(spec.model_dump(mode="json"))
        assert isinstance(again, ComparisonSpec)
        assert arms_of(again) == arms_of(spec)


class TestRefused:
    def test_less_than_an_epoch(self, refused):
        assert refused(epochs=1) == ("fraction", "0.25 of 1 epochs is less than one; raise epochs or the share")
        assert refused(fractions=[0.01])[0] == "fractions"

    @pytest.mark.parametrize("field", ["seed", "dataset", "validation", "preset", "kind", "evaluate_test"])
    def test_what_all_arms_share(self, refused, field):
        assert refused(arms={"mine": {field: "x"}}) == (
            f"arms/mine/{field}",
            f"all arms share {field}; leave it out here",
        )

    @pytest.mark.parametrize("name", ["baseline", "one_cycle"])
    def test_without_what_the_goal_is_about(self, refused, name):
        place, words = refused(arms={name: None})
        assert place == "arms"
        assert words.startswith(f"{name} is what the goal is about")

    @pytest.mark.parametrize("name", ["baseline", "one_cycle", "one_cycle@0.5", "linear", "step"])
    def test_epochs_that_follow_from_the_share(self, refused, name):
        """Or the verdict would name a share that was not trained, or a control would have longer."""
        place, words = refused(fractions=[0.5], arms={name: {"epochs": 8}})
        assert place == f"arms/{name}/epochs"
        assert words.startswith(f"the epochs of {name} follow from epochs and its share")

    @pytest.mark.parametrize("name", ["one_cycle@0.5", "one_cycle@.125", "one_cycle@"])
    def test_a_share_that_is_not_among_the_fractions(self, refused, name):
        """Or an arm of that name would train for another share, beside the one that was meant."""
        place, words = refused(fractions=[0.125], arms={name: {"batch_size": 32}})
        assert place == f"arms/{name}"
        assert "there are one_cycle, one_cycle@0.125; add the share there" in words

    @pytest.mark.parametrize("name", ["one_cycle@.5", "linaer"])
    def test_leaving_out_what_is_not_there(self, refused, name):
        place, words = refused(fractions=[0.5], arms={name: None})
        assert place == f"arms/{name}"
        assert words == (
            "there is no arm of that name to leave out; there are baseline, one_cycle, one_cycle@0.5, linear, cosine, "
            "constant, step"
        )

    @pytest.mark.parametrize("name", ["one_cycle", "one_cycle@0.5"])
    def test_one_cycle_under_another_policy(self, refused, name):
        """Or the verdict would speak of a cycle that never ran."""
        place, words = refused(fractions=[0.5], arms={name: {"schedule": {"policy": "cosine"}}})
        assert place == f"arms/{name}/schedule/policy"
        assert words.endswith(f"so {name} keeps that policy; add an arm of another name for this one")

    @pytest.mark.parametrize("schedule", [None, {"policy": "one_cycle"}])
    def test_a_control_under_another_policy(self, refused, schedule):
        """Or one cycle would be compared with itself."""
        place, words = refused(arms={"linear": {"schedule": schedule}})
        assert place == "arms/linear/schedule/policy"
        assert "so linear keeps that policy" in words

    def test_the_share_that_one_cycle_has(self, refused):
        place, words = refused(fractions=[0.25], arms={"one_cycle@0.25": {"batch_size": 32}})
        assert (place, words) == ("arms/one_cycle@0.25", "that share is the arm one_cycle")

    def test_a_search_of_an_arms_own(self, refused):
        place, words = refused(arms={"mine": {"schedule": {"search_steps": 500}}})
        assert place == "arms/mine/schedule/search_steps"
        assert "give search_steps to the comparison" in words

    def test_a_wrong_field_of_an_arm_in_its_place(self, refused):
        assert refused(arms={"mine": {"epochs": 0}})[0] == "arms/mine/epochs"
        assert refused(arms={"linear": {"epocs": 1}})[0] == "arms/linear/epocs"
        assert refused(arms={"one_cycle": {"schedule": {"up": 2}}})[0] == "arms/one_cycle/schedule/one_cycle/up"

    @pytest.mark.parametrize("fields", [{"batch_size": "auto"}, {"arms": {"mine": {"batch_size": "auto"}}}])
    def test_a_batch_size_that_each_training_would_choose_itself(self, refused, fields):
        assert refused(**fields)[0] == "batch_size"

    def test_too_many_trainings(self, refused):
        arms = {f"arm{number}": {} for number in range(40)}
        assert refused(arms=arms, seeds=50) == (
            "seeds", f"46 arms of 50 trainings are 2,300; at most {MOST_CHILDREN:,} go together",
        )  # fmt: skip

    def test_seeds_beyond_the_last(self, refused):
        assert refused(seed=2**32 - 2) == ("seed", "5 seeds from 4294967294 on go beyond 4294967295")

    @pytest.mark.parametrize(
        "fields", [{"margin": -1}, {"fraction": 0}, {"fraction": 1}, {"seeds": 0}, {"search_steps": 3}]
    )
    def test_numbers_out_of_bounds(self, refused, fields):
        (name,) = fields
        assert refused(**fields)[0] == name
