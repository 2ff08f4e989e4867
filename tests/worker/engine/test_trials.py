"""Which precision and whether to compile: from remembered seconds, from real short trials, from earlier attempts."""

from functools import partial

import pytest
import torch
from torch import nn

from worker.engine import trials
from worker.engine.errors import BatchTooSmall, CompileFailed, PrecisionUnavailable
from worker.engine.loop import Stepper
from worker.engine.trial_memory import TrialMemory
from worker.engine.trials import Trial, choose_computation, compare

CPU = torch.device("cpu")
SETTLED = {"precision": {"value": "bf16", "origin": "measured", "reason": "as it was"}}


def small_network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3))


@pytest.fixture
def trial(tmp_path):
    """Batches of 16 grey 8×8 images, of which so many follow; `seconds` an image are remembered of before."""

    def make(*, batches=1000, images=16, seconds=None, **facts):
        memory = TrialMemory(tmp_path / "trials.json")
        made = Trial(
            **{"device": CPU, "architecture": {"name": "mlp"}, "new_network": small_network, "classes": 3}
            | {"shape": (images, 1, 8, 8), "batches": batches, "memory": memory}
            | facts
        )
        if seconds:
            memory.note(made.key, seconds)
        return made

    return make


@pytest.fixture
def spec_of(spec_of):
    """A spec that leaves precision and compiling open, but for what a test says."""
    return partial(spec_of, precision="auto", compile="auto")


@pytest.fixture(autouse=True)
def _bf16_in_hardware(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)


@pytest.fixture
def no_compiler(monkeypatch):
    def backend(_graph, _inputs):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    yield
    torch._dynamo.reset()


@pytest.fixture
def full_device(monkeypatch):
    """No trial fits beside what is there."""

    def compare(*_, **__):
        raise torch.OutOfMemoryError("no memory is left")

    monkeypatch.setattr(trials, "compare", compare)


@pytest.fixture
def quick_compiler(monkeypatch):
    """The real torch.compile with a backend that generates no code."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    yield
    torch._dynamo.reset()


class TestPrecision:
    @pytest.mark.parametrize(
        ("fp32", "bf16", "expected", "says"),
        [
            (3.4e-3, 2.0e-3, "bf16", "bf16 trained 1.70 times as fast as fp32 here, as measured before"),
            (2.0e-3, 2.0e-3, "fp32", "bf16 trained only 1.00 times as fast"),
            (2.06e-3, 2.0e-3, "fp32", "only 1.03 times"),  # a lead within the noise is none
            (2.0e-3, 4.0e-3, "fp32", "only 0.50 times"),
        ],
    )
    def test_the_faster_one_is_taken(self, spec_of, trial, fp32, bf16, expected, says):
        chosen = choose_computation(spec_of(), trial(seconds={"fp32": fp32, "bf16": bf16}), settled={})["precision"]
        assert (chosen.value, chosen.origin) == (expected, "measured")
        assert says in chosen.reason

    def test_is_measured_once(self, spec_of, trial, monkeypatch):
        first = choose_computation(spec_of(), trial(), settled={})["precision"]
        assert "here" in first.reason
        assert "before" not in first.reason
        monkeypatch.setattr(trials, "compare", None)  # would fail if it were called
        second = choose_computation(spec_of(), trial(batches=1), settled={})["precision"]
        assert second.value == first.value
        assert "as measured before" in second.reason

    @pytest.mark.parametrize(
        ("facts", "says"),
        [
            ({"batches": 199}, "too short for a trial"),
            ({"images": 4}, "batches of 4 are too small"),
            ({"memory": None}, "no trials are made here"),
        ],
    )
    def test_no_trial_follows_the_hardware_and_says_so(self, spec_of, trial, facts, says):
        chosen = choose_computation(spec_of(), trial(**facts), settled={})["precision"]
        assert (chosen.value, chosen.origin) == ("bf16", "hardware")
        assert says in chosen.reason

    def test_costs_nothing_without_bf16_instructions(self, spec_of, trial, monkeypatch):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        monkeypatch.setattr(trials, "compare", None)
        chosen = choose_computation(spec_of(compile="off"), trial(), settled={})["precision"]
        assert (chosen.value, chosen.origin) == ("fp32", "hardware")

    def test_deterministic_work_does_not_hang_on_a_clock(self, spec_of, trial, monkeypatch):
        monkeypatch.setattr(trials, "compare", None)
        chosen = choose_computation(spec_of(deterministic=True), trial(), settled={})
        assert [chosen[name].value for name in ("precision", "compile")] == ["bf16", "off"]
        assert all("clock" in resolution.reason for resolution in chosen.values())

    def test_what_fits_in_16_bits_alone_is_not_refused_for_the_trial(self, spec_of, trial, full_device):
        chosen = choose_computation(spec_of(compile="off"), trial(), settled={})["precision"]
        assert (chosen.value, chosen.origin) == ("bf16", "hardware")
        assert "fp32 does not fit" in chosen.reason

    def test_the_users_word_wins(self, spec_of, trial):
        chosen = choose_computation(spec_of(precision="fp32"), trial(), settled=SETTLED)["precision"]
        assert (chosen.value, chosen.origin) == ("fp32", "spec")
        with pytest.raises(PrecisionUnavailable):
            choose_computation(spec_of(precision="fp16"), trial(), settled={})

    def test_an_earlier_attempt_settled_it(self, spec_of, trial):
        faster_fp32 = trial(seconds={"fp32": 1e-3, "bf16": 2e-3})
        chosen = choose_computation(spec_of(), faster_fp32, settled=SETTLED)["precision"]
        assert (chosen.value, chosen.reason) == ("bf16", "as it was")

    @pytest.mark.parametrize(("value", "is_kept"), [("fp32", True), ("bf16", True), ("fp16", False)])
    def test_another_training_settled_it(self, spec_of, trial, value, is_kept):
        """Of the same comparison, on what may be other hardware: here it computes in bf16."""
        settled = {"precision": {"value": value, "origin": "plan", "reason": "as in another"}}
        chosen = choose_computation(spec_of(compile="off"), trial(batches=1), settled=settled)["precision"]
        assert (chosen.origin == "plan") is is_kept

    def test_what_this_device_cannot_is_settled_anew(self, spec_of, trial):
        settled = {"precision": {"value": "fp16", "origin": "hardware", "reason": "a GPU"}}
        assert choose_computation(spec_of(), trial(batches=1), settled=settled)["precision"].value == "bf16"


class TestKey:
    @pytest.mark.parametrize("other", [{"images": 8}, {"classes": 4}, {"architecture": {"name": "mlp", "width": 8}}])
    def test_differs_with_what_decides_the_speed(self, trial, other):
        assert trial(**other).key != trial().key

    def test_is_the_same_for_a_longer_training(self, trial):
        assert trial(batches=1).key == trial(batches=2).key

    def test_differs_with_the_threads(self, trial):
        one = trial().key
        torch.set_num_threads(2)
        assert trial().key != one


class TestCompile:
    # 1000 batches of 16 images: 0.02 s an image are 320 s of training.
    @pytest.mark.parametrize(
        ("batches", "compiled", "expected", "says"),
        [
            (1000, 0.01, "on", "compiled, it trained 2.00 times as fast here; compiling took 30 s"),  # saves 160 s
            (100, 0.01, "off", "which this training does not repay"),  # saves 16 s
            (1000, 0.0196, "off", "1.02 times"),
            (1000, 0.04, "off", "0.50 times"),
        ],
    )
    def test_must_pay_for_itself(self, spec_of, trial, batches, compiled, expected, says):
        seconds = {"fp32": 0.02, "fp32_compiled": compiled, "compiling": 30.0}
        asked = spec_of(precision="fp32")
        chosen = choose_computation(asked, trial(batches=batches, seconds=seconds), settled={})["compile"]
        assert (chosen.value, chosen.origin) == (expected, "measured")
        assert says in chosen.reason

    def test_is_not_tried_for_a_few_seconds(self, spec_of, trial, no_compiler):
        chosen = choose_computation(spec_of(precision="fp32"), trial(seconds={"fp32": 0.01}), settled={})["compile"]
        assert (chosen.value, chosen.reason) == ("off", "about 160 s of training are too few to repay compiling")

    def test_a_failure_costs_no_training(self, spec_of, trial, no_compiler):
        chosen = choose_computation(spec_of(precision="fp32"), trial(seconds={"fp32": 0.02}), settled={})["compile"]
        assert (chosen.value, chosen.origin) == ("off", "worker")
        assert chosen.reason.startswith("this worker cannot compile it: BackendCompilerFailed")
        assert "no C++ compiler" in chosen.reason

    def test_a_trial_for_which_memory_is_short_costs_no_training(self, spec_of, trial, quick_compiler, full_device):
        chosen = choose_computation(spec_of(precision="fp32"), trial(seconds={"fp32": 0.02}), settled={})["compile"]
        assert (chosen.value, chosen.origin) == ("off", "worker")
        assert "does not fit the device" in chosen.reason

    def test_a_batch_too_small_for_batch_norm_is_no_fault_of_the_compiler(self, spec_of, trial, quick_compiler):
        def with_batch_norm():
            return nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3))

        with pytest.raises(BatchTooSmall, match="in a batch of 1"):
            choose_computation(spec_of(compile="on"), trial(images=1, new_network=with_batch_norm), settled={})

    def test_a_failure_of_what_was_asked_for_is_said(self, spec_of, trial, no_compiler):
        with pytest.raises(CompileFailed, match="no C\\+\\+ compiler") as caught:
            choose_computation(spec_of(compile="on"), trial(), settled={})
        assert caught.value.code == "compile_failed"
        assert "C++ compiler" in caught.value.hint

    def test_an_earlier_attempts_choice_falls_back_where_it_cannot_be(self, spec_of, trial, no_compiler):
        settled = {"compile": {"value": "on", "origin": "measured", "reason": "faster"}}
        chosen = choose_computation(spec_of(precision="fp32"), trial(), settled=settled)["compile"]
        assert chosen.value == "off"
        assert "compiled before, which fails here" in chosen.reason

    def test_is_measured_where_it_might_pay(self, spec_of, trial, quick_compiler):
        long = trial(seconds={"fp32": 0.02})
        choose_computation(spec_of(precision="fp32"), long, settled={})
        assert trial().seconds.keys() == {"fp32", "fp32_compiled", "compiling"}
        assert trial().seconds["fp32"] < 0.01  # measured again beside the compiled one

    def test_leaves_the_names_of_the_weights(self, spec_of, prepared, striped, quick_compiler):
        plain = prepared(spec_of(compile="off"), striped)
        compiled = prepared(spec_of(compile="on"), striped)
        assert [compiled.resolved["compile"].value, plain.resolved["compile"].value] == ["on", "off"]
        steppers = [Stepper(workload, spec_of().optimizer) for workload in (plain, compiled)]
        batch = next(plain.training.shuffled(0, augmentation=plain.augmentation, stop=1))
        for stepper in steppers:
            stepper.step(batch, step=0, learning_rate=0.1, momentum=0.9)
        states = [stepper.network.state_dict() for stepper in steppers]
        assert list(states[0]) == list(states[1])
        assert all(torch.equal(*pair) for pair in zip(*(state.values() for state in states), strict=True))

    @pytest.mark.verify
    def test_really(self, spec_of, trial):
        real = trial()
        assert choose_computation(spec_of(compile="on"), real, settled={})["compile"].value == "on"


class TestTrial:
    def test_leaves_the_random_numbers_as_found(self, spec_of, trial):
        before = torch.get_rng_state()
        choose_computation(spec_of(), trial(), settled={})
        assert trial().seconds.keys() == {"fp32", "bf16"}
        assert torch.equal(torch.get_rng_state(), before)

    def test_a_slow_step_is_timed_on_part_of_the_batch(self, trial, monkeypatch):
        monkeypatch.setattr(trials, "_timed", lambda *_arguments, **_options: 0.2)  # 8 images; 64 would take 1.6 s
        assert trials._affordable_images(trial(images=64), small_network()) == 16  # 64 · 0.4 / 1.6
        assert trials._affordable_images(trial(images=8), small_network()) == 8

    def test_blocks_take_turns(self):
        taken = []
        compare({name: partial(taken.append, name) for name in "ab"}, device=CPU)
        blocks = [name for number, name in enumerate(taken) if number == 0 or taken[number - 1] != name]
        assert blocks == ["a", "b"] * 8  # the warm-up and seven blocks
