"""A search over any fields within a tuning: what it begins with, which trials are made, and what they decide."""

import pytest
from pydantic import ValidationError

from app.domain.lifecycle import JobState
from app.domain.plans import Child, plan_of
from app.domain.plans.tuning.searching import present_point
from app.domain.specs import parse_spec
from app.domain.specs.training import as_training

MINIMAL = {"kind": "tuning", "dataset": "digits", "architecture": "resnet9", "epochs": 10}
FIELDS = {"optimizer.weight_decay": {"low": 1e-5, "high": 1e-2, "log": True}, "batch_size": {"choices": [64, 128]}}


@pytest.fixture
def tuned():
    """Plays a tuning: every training that it wants ends with the loss that is answered; its standing, keys by wave."""

    def play(answer, *, propose, **fields):
        plan = plan_of(parse_spec(MINIMAL | fields))
        settled, children, waves = plan.settle(lambda spec: 1152 // spec.batch_size), {}, []
        while not (step := plan.advance(settled, children, propose)).is_over:
            waves.append([one.key for one in step.new])
            children |= {one.key: done(one, answer(one)) for one in step.new}
        return plan.standing(settled, children, propose), waves

    return play


def done(new, loss):
    """A training that ended with this loss after 3 s; one that was to choose its batch size has chosen 128."""
    chosen = {"batch_size": {"value": 128, "reason": "."}} if new.spec.batch_size == "auto" else {}
    last = {"validation_loss": loss, "validation_accuracy": 0.5}
    result = {"last": last, "seconds": 2.0 * new.spec.epochs, "epochs_run": new.spec.epochs}
    facts = {"resolved": new.settled | chosen, "result": result, "seconds": 3.0}
    return Child(new.key, f"job_{new.key}", JobState.SUCCEEDED, **facts)


class TestSearch:
    def test_so_many_at_once_until_all_are_made(self, tuned):
        told = []

        def propose(space, asked, count, seed):
            told.append([(one.values["optimizer.weight_decay"], one.loss) for one in asked])
            decays = [1e-4 * (len(asked) + place) for place in range(1, count + 1)]
            return [{"optimizer.weight_decay": decay, "batch_size": 64} for decay in decays]

        search = {"fields": FIELDS, "trials": 5, "parallel": 2}
        standing, waves = tuned(lambda one: one.spec.optimizer.weight_decay, propose=propose, tune=[], search=search)
        assert waves == [["search/0", "search/1"], ["search/2", "search/3"], ["search/4"]]
        assert told[0] == [(5e-4, None)]  # what the training has, under way
        assert told[1] == [(5e-4, 5e-4), (2e-4, 2e-4)]
        assert standing.training.optimizer.weight_decay == 2e-4
        assert standing.training.batch_size == 64
        reason = "Trial 1 of 5 ended with the smallest validation loss, 0.0002; the present values: 0.0005."
        assert standing.decisions[0].reason == reason

    def test_what_the_training_has_stays_unless_a_sample_is_better(self, tuned):
        """One that is as good is not better."""
        search = {"fields": {"batch_size": {"choices": [64, 128, 256]}}, "trials": 3, "parallel": 1}
        losses = {128: 0.4, 64: 0.4, 256: 0.5}
        points = iter([[{"batch_size": 64}], [{"batch_size": 256}]])
        standing, waves = tuned(
            lambda one: losses[one.spec.batch_size], propose=lambda *_: next(points), tune=[], search=search
        )
        assert (len(waves), standing.training.batch_size) == (3, 128)
        assert standing.decisions[0].reason.endswith("loss, 0.4, with the present values, which stay.")

    def test_what_an_earlier_stage_has_chosen_is_what_the_training_has(self, tuned):
        search = {"fields": {"batch_size": {"low": 32, "high": 512, "whole": True}}, "trials": 2, "parallel": 2}
        found, _ = tuned(
            lambda one: 0.3 if one.spec.batch_size == 512 else 0.4,
            propose=lambda *_: [{"batch_size": 32}], tune=["batch_size"], search=search,
        )  # fmt: skip
        assert [row["value"] for row in found.decisions[1].evidence] == [{"batch_size": 512}, {"batch_size": 32}]

    @pytest.mark.parametrize(
        ("path", "space", "value"),
        [
            ("optimizer.weight_decay", {"low": 1e-5, "high": 1e-2}, 5e-4),
            ("optimizer.weight_decay", {"low": 1e-3, "high": 1e-2}, None),
            ("batch_size", {"low": 16, "high": 256, "whole": True}, 128),
            ("batch_size", {"choices": [64, 256]}, None),
            ("schedule.up", {"low": 0.1, "high": 0.5}, 0.5),  # the shape's, which was left out
            ("schedule.max_momentum", {"choices": [0.9, 0.95]}, 0.95),
            ("schedule.max_lr", {"low": 0.1, "high": 1}, None),  # left open
            ("architecture", {"choices": ["mlp", "resnet9"]}, "resnet9"),
            ("optimizer.name", {"choices": ["adam", "sgd"]}, "sgd"),
            ("mixup", {"choices": [0.2, None]}, None),
        ],
    )
    def test_only_values_within_their_space_are_tried(self, path, space, value):
        spec = parse_spec(MINIMAL | {"tune": [], "search": {"fields": {path: space}}})
        point = present_point(as_training(spec), spec.search.fields)
        is_there = value is not None or None in space.get("choices", ())
        assert point == ({path: value} if is_there else None)

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"optimizer.momentun": {"low": 0.1, "high": 0.9}}, "makes no training"),
            ({"epochs": {"low": 1, "high": 3, "whole": True}}, "must not change"),
            ({"optimizer.momentum": {"low": 0.9, "high": 0.1}}, "must be below"),
            ({"optimizer.weight_decay": {"low": 0, "high": 1, "log": True}}, "decades begin above 0"),
            ({"batch_size": {"low": 1.5, "high": 3, "whole": True}}, "no whole numbers"),
            ({"batch_size": {"choices": [[1], [2]]}}, "only numbers"),
            ({"batch_size": {"low": 16, "high": 64}}, "makes no training"),
            ({"optimizer.nesterov": {"choices": [True, "no"]}}, "makes no training"),
        ],
    )
    def test_what_makes_no_training_is_refused(self, fields, words):
        with pytest.raises(ValidationError, match=words):
            parse_spec(MINIMAL | {"search": {"fields": fields}})

    def test_what_does_not_go_together_is_drawn_again(self, tuned):
        """Shares of a cycle that add up to more than the whole, each of which is right by itself."""
        fields = {"schedule.up": {"low": 0.1, "high": 0.6}, "schedule.annihilation": {"low": 0.0, "high": 0.4}}
        points = [
            {"schedule.up": 0.6, "schedule.annihilation": 0.5},
            {"schedule.up": 0.5, "schedule.annihilation": 0.1},
        ]
        search = {"fields": fields, "trials": 2, "parallel": 1}
        _, waves = tuned(lambda _: 0.1, propose=lambda *_: points, tune=[], search=search)
        assert waves == [["search/0"], ["search/1"]]

    def test_other_networks_and_optimizers_may_be_chosen_among(self, tuned):
        fields = {"architecture": {"choices": ["mlp", "resnet9"]}, "optimizer.name": {"choices": ["sgd", "adam"]}}
        told = []

        def propose(space, asked, count, seed):
            told.append([dict(one.values) for one in asked])
            return [{"architecture": "mlp", "optimizer.name": "adam"}]

        search = {"fields": fields, "trials": 2, "parallel": 1}
        losses = {"mlp": 0.1, "resnet9": 0.2}
        answer = lambda one: losses[one.spec.architecture.name]  # noqa: E731
        standing, _ = tuned(answer, propose=propose, tune=[], search=search)
        assert told == [[{"architecture": "resnet9", "optimizer.name": "sgd"}]]
        assert (standing.training.architecture.name, standing.training.optimizer.name) == ("mlp", "adam")

    def test_a_budget_that_breaks_it_off_is_spoken_of(self, tuned):
        search = {"fields": {"batch_size": {"choices": [64, 32]}}, "trials": 5, "parallel": 1}
        points = [{"batch_size": 32}]
        standing, waves = tuned(lambda _: 0.4, propose=lambda *_: points, tune=[], search=search, budget_seconds=10)
        assert len(waves) == 3
        told = "The budget did not suffice to try all of this. Trial"
        assert standing.decisions[0].reason.startswith(told)
