import pytest

from app.domain.specs import Adam, AdamW, ConstantLr, LinearDecay, OneCycle, Sgd, StepDecay
from app.domain.weight_decay import forgetting_epochs, prior_ratio, total_rate, usual_decay, weight_decay_prior

CONSTANT = ConstantLr(policy="constant")
HALVES = StepDecay(policy="step", milestones=(0.5,), factor=0.1)
SGD, ADAM, ADAMW = Sgd(name="sgd"), Adam(name="adam"), AdamW(name="adamw")


def prior(optimizer, policy=CONSTANT, *, max_lr=0.1, epochs=10, steps_per_epoch=100, has_batch_norm=True):
    sizes = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    return weight_decay_prior(optimizer, policy, max_lr=max_lr, has_batch_norm=has_batch_norm, **sizes)


class TestTotalRate:
    @pytest.mark.parametrize(
        ("policy", "steps", "momentum", "expected"),
        [
            (CONSTANT, 1000, 0.9, 1000.0),  # 1000 × .1 / .1
            (CONSTANT, 1000, 0.0, 100.0),
            (LinearDecay(policy="linear"), 1000, 0.9, 500.0),  # half of it
            (HALVES, 1000, 0.9, 550.0),  # 500 × 1 + 500 × .1
            (CONSTANT, 1, 0.9, 1.0),
            (CONSTANT, 1_000_000, 0.9, 1_000_000.0),  # more than are added one by one
        ],
    )
    def test_is_the_sum_over_the_steps(self, policy, steps, momentum, expected):
        assert total_rate(policy, max_lr=0.1, steps=steps, momentum=momentum) == pytest.approx(expected)

    def test_takes_each_steps_own_momentum(self):
        cycle = OneCycle(shape="three_phase", up=0.5, annihilation=0, initial_div=10, final_div=1)
        # lr 0.01 → 0.1 → 0.01 while 1 - momentum goes 0.05 → 0.15 → 0.05. With x from 0 to 1 on the way up,
        # (0.01 + 0.09 x) / (0.05 + 0.1 x) = 0.9 - 0.35 / (0.5 + x) / 10 · 10 has the mean 0.9 - 0.35 ln 3 = 0.51549
        assert total_rate(cycle, max_lr=0.1, steps=2001, momentum=0.0) == pytest.approx(0.51549 * 2001, rel=1e-3)

    def test_a_long_schedule_is_as_its_short_one(self):
        short, long = (total_rate(OneCycle(), max_lr=0.1, steps=steps, momentum=0.9) for steps in (10_000, 100_000))
        assert long == pytest.approx(10 * short)


class TestSgd:
    @pytest.mark.parametrize(
        ("momentum", "max_lr", "epochs", "expected"),
        [
            (0.9, 0.1, 12, 0.0025),  # 3 / (1200 × .1 / .1)
            (0.9, 1.0, 12, 0.00025),  # lr × decay stays
            (0.9, 0.1, 120, 0.00025),
            (0.0, 0.1, 12, 0.025),
        ],
    )
    def test_decays_by_three_in_all(self, momentum, max_lr, epochs, expected):
        optimizer = Sgd(name="sgd", momentum=momentum, nesterov=momentum > 0)
        assert prior(optimizer, max_lr=max_lr, epochs=epochs).weight_decay == pytest.approx(expected)

    @pytest.mark.parametrize("epochs", [4, 8, 12])
    def test_of_few_steps_by_one_for_each_400(self, epochs):
        found = prior(SGD, epochs=epochs)
        assert found.weight_decay == pytest.approx(0.0025)  # 1 / (400 × .1 / .1) at any of these lengths
        assert ("1 for each 400 steps, and 3 from 1,200 on" in found.reason) is (epochs < 12)

    def test_recipe_of_many_resnets(self):
        """200 epochs of CIFAR-10 from 0.1, ÷ 10 at half and at three quarters: 5e-4 or 1e-4 is what people take."""
        step = StepDecay(policy="step")
        found = prior(SGD, step, max_lr=0.1, epochs=200, steps_per_epoch=391).weight_decay
        assert found == pytest.approx(3 / (78_200 * (0.5 + 0.25 * 0.1 + 0.25 * 0.01)))  # 7.3e-5: the lower end

    def test_reason_has_the_numbers(self):
        assert prior(SGD, epochs=20).reason == "3 / 2e+03, the sum of lr / (1 - momentum) over 2000 steps to 0.1"

    @pytest.mark.parametrize(("epochs", "is_usual"), [(3, True), (4, False)])  # of 100 steps each
    @pytest.mark.parametrize("optimizer", [SGD, ADAMW])
    def test_of_a_short_training_is_the_usual_one(self, optimizer, epochs, is_usual):
        found = prior(optimizer, epochs=epochs)
        assert (found.weight_decay == usual_decay(optimizer)) is is_usual
        assert ("fewer than 400 steps" in found.reason) is is_usual

    def test_without_batch_norm_keeps_the_usual_one(self):
        found = prior(SGD, has_batch_norm=False)
        assert found.weight_decay == usual_decay(SGD) == 5e-4
        assert "batch norm" in found.reason


class TestAdamFamily:
    @pytest.mark.parametrize(
        ("epochs", "expected"),
        [(1, 1), (2, 1), (8, 2), (10, 5**0.5), (18, 3), (50, 5), (200, 10)],  # sqrt(epochs / 2), at least 1
    )
    def test_forgets_in_between_one_epoch_and_half_the_training(self, epochs, expected):
        assert forgetting_epochs(epochs) == pytest.approx(expected)
        assert 1 <= forgetting_epochs(epochs) <= max(1, epochs / 2)

    @pytest.mark.parametrize(
        ("max_lr", "steps_per_epoch", "epochs", "expected"),
        [(0.01, 100, 8, 0.5), (0.001, 100, 8, 5.0), (0.01, 400, 8, 0.125), (0.01, 400, 1, 0.25)],
    )
    @pytest.mark.parametrize("has_batch_norm", [True, False])
    def test_adamw(self, max_lr, steps_per_epoch, epochs, expected, has_batch_norm):
        sizes = {"max_lr": max_lr, "steps_per_epoch": steps_per_epoch, "epochs": epochs}
        assert prior(ADAMW, has_batch_norm=has_batch_norm, **sizes).weight_decay == pytest.approx(expected)

    def test_adam_keeps_the_usual_one(self):
        assert prior(ADAM).weight_decay == usual_decay(ADAM) == 0.0

    def test_usual_ones_are_the_specs_defaults(self):
        assert [usual_decay(optimizer) for optimizer in (SGD, ADAM, ADAMW)] == [5e-4, 0.0, 0.01]


class TestRatio:
    @pytest.mark.parametrize(
        ("optimizer", "before", "after", "expected"),
        [
            (SGD, 12, 48, 0.25),  # 1 / steps
            (SGD, 48, 12, 4.0),
            (SGD, 10, 5, 1.0),  # both decay by 1 for each 400 steps
            (ADAMW, 10, 40, 0.5),  # 1 / sqrt(epochs)
            (SGD, 10, 3, 1.0),  # 300 steps, fewer than 400
            (ADAM, 10, 40, 1.0),
        ],
    )
    @pytest.mark.parametrize("max_lr", [0.1, 1.0])
    def test_is_the_same_at_any_rate(self, optimizer, before, after, expected, max_lr):
        found = prior_ratio(*(prior(optimizer, epochs=epochs, max_lr=max_lr) for epochs in (before, after)))
        assert found == pytest.approx(expected)
