"""Which trainings a comparison wants next, for every standing of those it has."""

import pytest

from app.domain.lifecycle import JobState
from app.domain.plans import Child, plan_of
from app.domain.specs import parse_spec

MINIMAL = {"kind": "comparison", "dataset": "digits", "architecture": "mlp", "seeds": 3, "seed": 4}
TWO = {"arms": dict.fromkeys(("linear", "cosine", "constant", "step"))}


@pytest.fixture
def planned():
    """A plan, what was settled for so many steps an epoch, and a function that asks it."""

    def make(steps_per_epoch=100, **fields):
        plan = plan_of(parse_spec(MINIMAL | TWO | fields))
        settled = plan.settle(lambda _: steps_per_epoch)
        return settled, lambda children=(): plan.advance(settled, {child.key: child for child in children}, None)

    return make


@pytest.fixture
def new():
    """The new children of a step, by key."""

    def find(step):
        return {child.key: child for child in step.new}

    return find


def child(key, state="succeeded", max_lr=0.5, **computation):
    resolved = {"max_lr": {"value": max_lr, "origin": "verification", "reason": "."}}
    resolved |= {name: {"value": value, "origin": "measured", "reason": "So."} for name, value in computation.items()}
    return Child(key, f"job_{key}", JobState(state), resolved=resolved, result={})


class TestSearch:
    def test_the_same_budget_for_every_arm(self, planned, new):
        settled, ask = planned()
        assert settled["search_steps"]["value"] == 150  # 30 % of 5 epochs of 100 steps
        found = new(ask())
        assert found.keys() == {"baseline/4", "one_cycle/4"}
        assert {one.spec.schedule.search_steps for one in found.values()} == {150}
        assert {one.spec.schedule.max_lr for one in found.values()} == {"auto"}

    def test_where_the_shortest_has_no_steps_for_it(self, planned, new):
        settled, ask = planned(steps_per_epoch=79)  # 395 steps
        assert settled["search_steps"]["value"] is None
        assert "one_cycle has 395 optimizer steps" in settled["search_steps"]["reason"]
        assert {one.spec.schedule.pick for one in new(ask()).values()} == {"margin"}

    def test_as_many_as_the_user_says(self, planned, new):
        settled, ask = planned(steps_per_epoch=200, search_steps=200)
        assert settled["search_steps"]["origin"] == "spec"
        assert {one.spec.schedule.search_steps for one in new(ask()).values()} == {200}

    @pytest.mark.parametrize(
        ("steps_per_epoch", "asked", "value", "reason"),
        [
            (200, 1200, 300, "asks for 1200, which one_cycle, the shortest, cannot spare"),  # 30 % of 5 × 200
            (11, 120, None, "one_cycle has 55 optimizer steps, too few"),
        ],
    )
    def test_never_more_than_the_shortest_can_spare(self, planned, new, steps_per_epoch, asked, value, reason):
        """Or the longer arms would search for longer."""
        settled, ask = planned(steps_per_epoch=steps_per_epoch, search_steps=asked)
        assert settled["search_steps"]["value"] == value
        assert reason in settled["search_steps"]["reason"]
        assert {one.spec.schedule.search_steps for one in new(ask()).values()} == {value}

    def test_an_arm_with_a_pick_of_its_own_keeps_it(self, planned, new):
        arms = TWO["arms"] | {"baseline": {"schedule": {"pick": "edge"}}}
        _, ask = planned(arms=arms)
        assert new(ask())["baseline/4"].spec.schedule.pick == "edge"

    def test_what_was_found_goes_to_the_other_seeds(self, planned, new):
        _, ask = planned()
        found = new(ask([child("one_cycle/4", max_lr=0.25), child("baseline/4", max_lr=0.5)]))
        assert {key: (one.spec.schedule.max_lr, one.spec.seed) for key, one in found.items()} == {
            "one_cycle/5": (0.25, 5), "one_cycle/6": (0.25, 6), "baseline/5": (0.5, 5), "baseline/6": (0.5, 6),
        }  # fmt: skip
        assert {one.spec.schedule.search_steps for one in found.values()} == {None}

    def test_a_rate_that_was_given_is_not_searched(self, planned, new):
        arms = TWO["arms"] | {"baseline": {"schedule": {"max_lr": 0.1}}}
        _, ask = planned(arms=arms)
        found = new(ask([child("baseline/4", "failed"), child("one_cycle/4")]))
        assert found.keys() == {"baseline/5", "baseline/6", "one_cycle/5", "one_cycle/6"}
        assert found["baseline/5"].spec.schedule.max_lr == 0.1


class TestComputation:
    @pytest.fixture
    def settled(self, planned, new):
        """What the second seed of each arm begins with, by name."""

        def find(*firsts, **fields):
            _, ask = planned(**fields)
            found = new(ask(firsts))
            return {key.split("/")[0]: {name: one["value"] for name, one in child.settled.items()}
                    for key, child in found.items() if key.endswith("/5")}  # fmt: skip

        return find

    def test_is_the_same_in_all_arms(self, settled):
        """The baseline has the steps to measure that bf16 is no faster; a shorter arm took it unmeasured."""
        long = child("baseline/4", precision="fp32", compile="on")
        short = child("one_cycle/4", precision="bf16", compile="off")
        as_long = {"precision": "fp32", "compile": "on"}
        assert settled(long, short) == {"baseline": as_long, "one_cycle": as_long}

    def test_says_where_it_is_from(self, planned, new):
        _, ask = planned()
        found = new(ask([child("baseline/4", precision="fp32"), child("one_cycle/4")]))["one_cycle/5"].settled
        assert found == {
            "precision": {
                "value": "fp32",
                "origin": "plan",
                "reason": "As in baseline/4, so that no arm differs by it: So.",
            }
        }

    def test_not_where_an_arm_says_its_own(self, settled):
        arms = TWO["arms"] | {"baseline": {"precision": "fp32", "compile": "off"}, "mine": {}}
        firsts = [child("baseline/4", precision="fp32", compile="off")]
        firsts += [child(f"{name}/4", precision="bf16", compile="on") for name in ("one_cycle", "mine")]
        measured = {"precision": "bf16", "compile": "on"}
        assert settled(*firsts, arms=arms) == {"baseline": {}, "one_cycle": measured, "mine": measured}

    def test_not_of_a_training_that_failed_nor_for_deterministic_work(self, settled):
        arms = TWO["arms"] | {"baseline": {"schedule": {"max_lr": 0.1}}, "mine": {"deterministic": True}}
        firsts = [child("baseline/4", "failed", precision="fp16"), child("mine/4", precision="bf16")]
        firsts.insert(0, child("one_cycle/4", precision="fp32"))
        found = settled(*firsts, arms=arms)
        assert found == {"baseline": {"precision": "fp32"}, "one_cycle": {"precision": "fp32"}, "mine": {}}


class TestFailures:
    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_an_arm_whose_search_failed_ends_there(self, planned, state):
        _, ask = planned()
        others = [child(f"one_cycle/{seed}") for seed in (4, 5, 6)]
        step = ask([child("baseline/4", state), *others])
        assert (step.new, step.total, step.is_over) == ([], 4, True)

    def test_another_seed_that_failed_takes_nothing_with_it(self, planned):
        _, ask = planned()
        done = [child(f"{arm}/{seed}") for arm in ("one_cycle", "baseline") for seed in (4, 5)]
        step = ask([*done, child("one_cycle/6", "failed"), child("baseline/6", "running")])
        assert (step.new, step.total, step.is_over) == ([], 6, False)


class TestOrder:
    def test_asking_twice_is_asking_once(self, planned, new):
        _, ask = planned()
        assert [one.key for one in ask().new] == [one.key for one in ask().new]
        waiting = [child(key, "queued") for key in new(ask())]
        assert (ask(waiting).new, ask(waiting).is_over) == ([], False)

    def test_is_not_that_of_the_arms(self, planned):
        orders = set()
        for seed in range(20):
            _, ask = planned(seed=seed, arms={})
            orders.add(tuple(one.key.partition("/")[0] for one in ask().new))
        assert len(orders) > 10

    @pytest.mark.parametrize("state", ["queued", "running", "paused"])
    def test_other_seeds_wait_for_the_first_of_all_arms(self, planned, new, state):
        """Or each arm's would be a block of its own, in another hour than the next arm's."""
        _, ask = planned()
        assert new(ask([child("one_cycle/4"), child("baseline/4", state)])) == {}
        assert new(ask([child("one_cycle/4")])).keys() == {"baseline/4"}

    def test_other_seeds_come_seed_by_seed_with_the_arms_shuffled(self, planned):
        orders = set()
        for seed in range(20):
            _, ask = planned(seed=seed, arms={})
            names = ("baseline", "one_cycle", "linear", "cosine", "constant", "step")
            keys = [one.key.split("/") for one in ask([child(f"{name}/{seed}") for name in names]).new]
            assert [int(of) for _, of in keys] == [seed + 1] * 6 + [seed + 2] * 6
            assert {arm for arm, _ in keys[:6]} == set(names)
            orders |= {tuple(arm for arm, _ in keys[:6]), tuple(arm for arm, _ in keys[6:])}
        assert len(orders) > 20

    def test_over_once_all_have_ended(self, planned):
        _, ask = planned()
        done = [child(f"{arm}/{seed}") for arm in ("one_cycle", "baseline") for seed in (4, 5, 6)]
        assert ask(done).is_over


class TestReuse:
    def test_only_where_it_is_asked_for(self, planned, new):
        assert not any(one.reuse for one in planned()[1]().new)
        assert all(one.reuse for one in planned(reuse=True)[1]().new)


class TestCount:
    def test_every_arm_with_all_its_seeds(self):
        plan = plan_of(parse_spec(MINIMAL | {"fractions": [0.5]}))
        counted = {one.place[1]: one.times for one in plan.planned(plan.settle(lambda _: 100))}
        assert counted == dict.fromkeys(
            ("baseline", "one_cycle", "one_cycle@0.5", "linear", "cosine", "constant", "step"), 3
        )
