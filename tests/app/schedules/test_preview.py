"""Previews of schedules: the very numbers a training would use."""

import pytest

from app.domain.schedules import Schedule, build_schedule
from app.domain.specs.policies import OneCycle, StepDecay


def preview(client, **body):
    return client.post("/v1/schedules/preview", json=body)


def first_at(schedule, steps, progress):
    """The first step whose progress has reached `progress`, found by counting."""
    guess = int(progress * (steps - 1)) - 5
    return next(step for step in range(guess, steps) if step / (steps - 1) >= progress)


class TestNumbers:
    def test_case_study(self, shared_client):
        body = preview(shared_client, schedule={"policy": "one_cycle", "max_lr": 1.0}, steps=101).json()
        assert body["step"] == list(range(101))
        assert body["steps"] == 101
        landmarks = {0: 0.1, 50: 1.0, 90: 0.1, 100: 0.001}  # max/10, the peak, max/10 again, that / 100
        assert {step: body["learning_rate"][step] for step in landmarks} == pytest.approx(landmarks)
        assert [body["momentum"][step] for step in (0, 50, 90, 100)] == pytest.approx([0.95, 0.85, 0.95, 0.95])

    def test_it_is_what_the_engine_computes(self, shared_client):
        body = preview(
            shared_client, schedule={"policy": "one_cycle", "max_lr": 0.7, "shape": "cosine"}, steps=57
        ).json()
        schedule = build_schedule(OneCycle(max_lr=0.7, shape="cosine"), max_lr=0.7)
        assert list(zip(body["learning_rate"], body["momentum"], strict=True)) == [
            schedule.at(step, 57) for step in range(57)
        ]

    def test_a_schedule_that_leaves_momentum_alone(self, shared_client):
        body = preview(shared_client, schedule={"policy": "constant", "max_lr": 0.5}, steps=3).json()
        assert (body["learning_rate"], body["momentum"]) == ([0.5] * 3, None)

    def test_one_cycle_need_not_be_named(self, shared_client):
        named, unnamed = (
            preview(shared_client, schedule={"max_lr": 1.0, **policy}, steps=9).json()
            for policy in ({"policy": "one_cycle"}, {})
        )
        assert named == unnamed

    def test_a_single_step(self, shared_client):
        assert preview(shared_client, schedule={"policy": "one_cycle", "max_lr": 2.0}, steps=1).json()["step"] == [0]

    def test_long_ones_are_thinned_but_keep_the_peak(self, shared_client):
        body = preview(
            shared_client, schedule={"policy": "one_cycle", "max_lr": 1.0}, steps=50_001, max_points=50
        ).json()
        assert len(body["step"]) <= 50
        assert body["step"][0] == 0
        assert body["step"][-1] == 50_000
        assert max(body["learning_rate"]) == 1.0

    @pytest.mark.parametrize("steps", [99_999, 1_000_000])
    def test_many_steps_cost_no_more_and_turn_where_they_turn(self, shared_client, monkeypatch, steps):
        looked = []
        whole = Schedule.at

        def at(schedule, step, total):
            looked.append(step)
            return whole(schedule, step, total)

        monkeypatch.setattr(Schedule, "at", at)
        policy = {"policy": "step", "max_lr": 1.0, "milestones": [0.3, 0.7001]}
        body = preview(shared_client, schedule=policy, steps=steps, max_points=100).json()
        assert len(looked) <= 400 + 12  # four a point, and three around each of three turns, and the last
        assert (body["step"][0], body["step"][-1]) == (0, steps - 1)
        whole_schedule = build_schedule(StepDecay(**policy), max_lr=1.0)
        falls = [first_at(whole_schedule, steps, place) for place in (0.3, 0.7001)]
        assert {step for fall in falls for step in (fall - 1, fall)} <= set(looked)

    def test_the_very_peak_of_many_steps(self, shared_client):
        policy = {"policy": "one_cycle", "max_lr": 1.0}
        body = preview(shared_client, schedule=policy, steps=1_000_000, max_points=20).json()
        schedule = build_schedule(OneCycle(max_lr=1.0), max_lr=1.0)
        peak = max(schedule.at(step, 1_000_000)[0] for step in range(499_990, 500_010))
        assert max(body["learning_rate"]) == peak
        assert min(body["momentum"]) == min(schedule.at(step, 1_000_000)[1] for step in range(499_990, 500_010))


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            ({"schedule": {"policy": "one_cycle"}, "steps": 10}, "#/schedule/max_lr", "max_lr_needed"),
            ({"schedule": {"policy": "one_cycle", "max_lr": 1}, "steps": 0}, "#/steps", "out_of_range"),
            ({"schedule": {"policy": "one_cycle", "max_lr": 1}, "steps": 10**7}, "#/steps", "out_of_range"),
            ({"schedule": {}, "steps": 10}, "#/schedule/max_lr", "max_lr_needed"),
            ({"schedule": {"max_lr": -1}, "steps": 10}, "#/schedule/max_lr", "out_of_range"),
            ({"schedule": {"max_lr": 1, "shape": "blah"}, "steps": 10}, "#/schedule/shape", "unknown_option"),
            ({"schedule": {"policy": "spiral", "max_lr": 1}, "steps": 10}, "#/schedule/policy", "unknown_option"),
            ({"schedule": {"policy": "one_cycle", "max_lr": 1}, "steps": True}, "#/steps", "wrong_type"),
            ({"schedule": {"policy": "one_cycle", "max_lr": 1}, "steps": "10"}, "#/steps", "wrong_type"),
            ({"schedule": {"policy": "constant", "max_lr": 1}, "steps": 9, "x": 1}, "#/x", "unknown_field"),
            ({"schedule": {"policy": "constant", "max_lr": 1}}, "#/steps", "missing_field"),
        ],
    )
    def test_pointers(self, shared_client, body, pointer, code):
        response = preview(shared_client, **body)
        assert response.status_code == 422
        assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [(pointer, code)]
