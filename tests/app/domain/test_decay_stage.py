"""How a tuning looks for the weight decay: which decays are swept, which survive that, and which train shortly."""

import pytest

from app.domain.lifecycle import JobState
from app.domain.plans import Child, plan_of
from app.domain.plans.tuning.survival import Swept, spread, survivors
from app.domain.specs import parse_spec

#: 90 steps, so the prior is the usual decay, 5e-4, which is the one given as well.
MINIMAL = {"kind": "tuning", "dataset": "digits", "architecture": "resnet9", "epochs": 10, "tune": ["weight_decay"]}
LADDER = [0.0, 5e-5, 1.5e-4, 5e-4, 1.5e-3, 5e-3]  # times 0, .1, .3, 1, 3 and 10


def curve(edge=1.0, *, loss=1.0, max_lr=0.5):
    """What a sweep comes to."""
    return {"max_lr": max_lr, "landmarks": {"edge": edge}, "lowest_loss": loss}


def ended(new, answer):
    if isinstance(answer, float):
        last = {"validation_loss": answer, "validation_accuracy": 0.5}
        answer = {"last": last, "seconds": 2.0, "epochs_run": new.spec.epochs}
    state = JobState.FAILED if answer is None else JobState.SUCCEEDED
    return Child(new.key, f"job_{new.key}", state, new.spec.model_dump(mode="json"), result=answer, seconds=3.0)


@pytest.fixture
def tuned():
    """Plays it: `swept` and `trained` say what comes of each decay; returns the decision and the specs by wave."""

    def play(swept=lambda _: curve(), trained=lambda _: 0.4, **fields):
        plan = plan_of(parse_spec(MINIMAL | fields))
        settled, children, waves = plan.settle(lambda _: 9), {}, []
        while not (step := plan.advance(settled, children, None)).is_over:
            waves.append({one.key.removeprefix("weight_decay/"): one.spec for one in step.new})
            for one in step.new:
                answer = trained if one.spec.kind == "training" else swept
                children[one.key] = ended(one, answer(one.spec.optimizer.weight_decay))
        return plan.standing(settled, children, None).decisions[0], waves

    return play


def keys(waves):
    return [list(wave) for wave in waves]


class TestSweeps:
    def test_are_of_the_given_decay_and_of_the_other_rungs(self, tuned):
        _, waves = tuned()
        assert keys(waves)[:2] == [
            ["sweep/given"],
            [f"sweep/{one}" for one in ("0", "5e-05", "0.00015", "0.0015", "0.005")],
        ]

    def test_read_off_held_out_images_at_every_step(self, tuned):
        _, waves = tuned()
        assert {spec.held_out for wave in waves[:2] for spec in wave.values()} == {1}

    @pytest.mark.parametrize(
        ("up_to", "between"),
        [
            (4e-4, "0.00027"),  # sqrt(1.5e-4 × 5e-4) = 2.74e-4
            (1e-3, "0.00087"),  # sqrt(5e-4 × 1.5e-3) = 8.66e-4
            (2e-3, "0.0027"),  # sqrt(1.5e-3 × 5e-3) = 2.74e-3
        ],
    )
    def test_one_more_between_the_largest_survivor_and_the_next_rung(self, tuned, up_to, between):
        _, waves = tuned(lambda decay: curve(1.0 if decay < up_to else 0.5))
        assert keys(waves)[2] == [f"sweep/{between}"]

    @pytest.mark.parametrize(
        "survives",
        [
            lambda _: True,  # the largest rung
            lambda decay: decay == 0.0,  # no geometric mean with 0
        ],
    )
    def test_none_more_where_there_is_nothing_between(self, tuned, survives):
        _, waves = tuned(lambda decay: curve(1.0 if survives(decay) else 0.5))
        assert all(key.startswith("trial/") for key in waves[2])

    def test_the_one_between_takes_part(self, tuned):
        decision, waves = tuned(lambda decay: curve(1.0 if decay < 1e-3 else 0.5))
        assert "trial/0.00087" in waves[3]
        assert decision.values == {"optimizer.weight_decay": 8.7e-4}

    def test_one_that_fails_ends_it(self, tuned):
        decision, waves = tuned(lambda _: None)
        assert keys(waves) == [["sweep/given"]]
        assert decision.values == {}


class TestShortTrainings:
    def test_of_the_given_decay_and_of_survivors_from_the_smallest_to_the_largest(self, tuned):
        _, waves = tuned()
        assert keys(waves)[2] == ["trial/0.0005", "trial/0", "trial/0.00015", "trial/0.005"]

    def test_each_at_the_rate_that_its_own_sweep_picks(self, tuned):
        _, waves = tuned(lambda decay: curve(max_lr=0.1 + decay), optimizer={"name": "sgd", "weight_decay": 0.002})
        rates = {spec.optimizer.weight_decay: spec.schedule.max_lr for spec in waves[2].values()}
        assert set(rates) > {0.002, 0.005}
        assert rates == {decay: pytest.approx(0.1 + decay) for decay in rates}

    def test_the_given_decay_is_tried_though_it_does_not_survive(self, tuned):
        given = {"name": "sgd", "weight_decay": 0.1}
        decision, waves = tuned(lambda decay: curve(1.0 if decay < 0.05 else 0.1), lambda _: 0.4, optimizer=given)
        assert next(iter(waves[-1])) == "trial/0.1"
        assert decision.values == {"optimizer.weight_decay": 0.1}

    def test_of_a_decay_left_open_the_rung_at_the_prior(self, tuned):
        """Its sweep has no number of its own, so all six rungs are swept."""
        decision, waves = tuned(optimizer={"name": "sgd", "weight_decay": "auto"})
        assert len(waves[1]) == len(LADDER)
        assert keys(waves)[2] == ["trial/0.0005", "trial/0", "trial/0.00015", "trial/0.005"]
        assert "what auto would take (0.0005) and 3 of 5 others" in decision.reason

    def test_no_decay_has_two_jobs(self, tuned):
        """1e-13 more than a rung would have the same key."""
        _, waves = tuned(optimizer={"name": "sgd", "weight_decay": 5e-4 + 1e-13})
        found = [key for wave in waves for key in wave]
        assert len(found) == len(set(found)) == 1 + 5 + 4

    def test_as_many_jobs_at_most_as_are_counted(self, tuned):
        """Sweeps of the one given, of six rungs and of one between; trainings of the one given and of three."""
        given = {"name": "sgd", "weight_decay": 2e-4}
        _, waves = tuned(lambda decay: curve(1.0 if decay < 2e-3 else 0.5), optimizer=given)
        plan = plan_of(parse_spec(MINIMAL | {"optimizer": given}))
        assert [len(wave) for wave in waves] == [1, 6, 1, 4]
        assert sum(one.times for one in plan.planned(plan.settle(lambda _: 9))) == 12


class TestDecision:
    def test_the_largest_as_good_as_the_best_with_its_reason(self, tuned):
        decision, _ = tuned(trained=lambda decay: 0.5 if decay > 1e-3 else 0.4)
        assert decision.values == {"optimizer.weight_decay": 5e-4}
        assert decision.reason == (
            "The prior is 0.0005: sgd's usual one: in fewer than 400 steps the rule's would hold back learning. Short "
            "trainings tried the decay that was given (0.0005) and 3 of 5 others that survive. A decay survives whose "
            "sweep comes within 20 % of the smallest held-out loss, with an edge at most 0.15 decades below the "
            "largest of these. Validation losses: 0: 0.4, 0.00015: 0.4, 0.0005: 0.4, 0.005: 0.5. 0.0005 is the largest "
            "as good as the best."
        )

    def test_evidence_has_every_sweep_and_training(self, tuned):
        decision, _ = tuned(lambda decay: curve(1.0 if decay < 1e-3 else 0.5, loss=0.9))
        swept = [row for row in decision.evidence if "edge" in row]
        assert [row["value"] for row in swept] == sorted([*LADDER, 8.7e-4])
        assert [row["survives"] for row in swept] == [True] * 5 + [False] * 2
        assert swept[3] == {
            "value": 5e-4, "job_id": "job_weight_decay/sweep/given", "edge": 1.0, "max_lr": 0.5, "held_out_loss": 0.9,
            "survives": True,
        }  # fmt: skip
        assert len(decision.evidence) - len(swept) == 4

    def test_trainings_that_fail_leave_it_as_it_was(self, tuned):
        assert tuned(trained=lambda _: None)[0].values == {}


def swept(decay, *, edge=1.0, loss=1.0):
    return Swept(decay, "job_x", edge=edge, max_lr=0.5, lowest_loss=loss)


class TestSurvivors:
    @pytest.mark.parametrize(
        ("one", "survives"),
        [
            ({"edge": 0.71}, True),  # 10^-.15 = .708
            ({"edge": 0.70}, False),
            ({"loss": 1.19}, True),  # 20 % of 1.0
            ({"loss": 1.21}, False),
        ],
    )
    def test_are_near_the_best_in_both(self, one, survives):
        assert (len(survivors([swept(0.0), swept(0.1, **one)])) == 2) is survives

    def test_the_edge_of_one_that_learnt_nothing_means_nothing(self):
        found = survivors([swept(0.0), swept(0.1, edge=0.9), swept(1.0, edge=10.0, loss=2.3)])
        assert [one.decay for one in found] == [0.0, 0.1]

    def test_of_none_are_none(self):
        assert survivors([]) == []


class TestSpread:
    @pytest.mark.parametrize(
        ("count", "places"), [(0, []), (1, [0]), (3, [0, 1, 2]), (4, [0, 2, 3]), (5, [0, 2, 4]), (7, [0, 3, 6])]
    )
    def test_from_the_smallest_to_the_largest(self, count, places):
        assert [one.decay for one in spread([swept(float(place)) for place in range(count)], 3)] == places
