import weakref
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from worker.engine.events import StepsDone
from worker.engine.loop import Ledger, Stepper

PLAIN_SGD = {"name": "sgd", "momentum": 0, "nesterov": False, "weight_decay": 0}


def add(ledger, loss, hits=1):
    ledger.add(torch.tensor(loss), torch.tensor(hits), learning_rate=loss / 10, momentum=0.9)


class TestLedger:
    def test_blocks_follow_each_other(self):
        ledger = Ledger(first_step=7)
        add(ledger, 2.0, hits=3)
        add(ledger, 1.0, hits=4)
        block = ledger.take()
        add(ledger, 0.5)
        assert block.event("training") == StepsDone("training", 7, [0.2, 0.1], [0.9, 0.9], [2.0, 1.0])
        assert block.hits == 7
        assert ledger.take().first_step == 9

    @pytest.mark.parametrize(
        ("steps", "seconds", "expected"),
        [
            (3, 1000.0, True),  # full
            (4, 1000.0, False),
            (4, 0.0, True),  # old enough
        ],
    )
    def test_due(self, steps, seconds, expected):
        ledger = Ledger(first_step=0, most_steps=steps, most_seconds=seconds)
        assert not ledger.is_due  # nothing to show
        for _ in range(3):
            add(ledger, 1.0)
        assert ledger.is_due is expected

    def test_numbers_that_are_none_come_home(self):
        ledger = Ledger(first_step=0)
        add(ledger, float("inf"), hits=2)
        block = ledger.take()
        assert (block.loss, block.hits) == ([float("inf")], 2)


@pytest.fixture
def step(spec_of, prepared, striped):
    """One step of a fresh network at learning rate 1: its stepper, what the step returned, and how weights moved."""

    def take(*, change=lambda stepper: None, **fields):
        workload = prepared(spec_of(**{"optimizer": PLAIN_SGD, **fields}), striped)
        batch = next(workload.training.shuffled(0, augmentation=workload.augmentation, start=2, stop=3))
        stepper = Stepper(workload, spec_of(**{"optimizer": PLAIN_SGD, **fields}).optimizer)
        change(stepper)
        before = nn.utils.parameters_to_vector(stepper.network.parameters()).detach().clone()
        loss, hits = stepper.step(batch, step=2, learning_rate=1.0, momentum=None)
        moved = nn.utils.parameters_to_vector(stepper.network.parameters()).detach() - before
        return loss.item(), hits.item(), moved

    return take


class TestAccumulation:
    @pytest.mark.parametrize("mixing", [{}, {"mixup": 1.0, "cutmix": 1.0, "cutout": 2, "label_smoothing": 0.1}])
    @pytest.mark.parametrize(("batch_size", "parts"), [(24, 2), (12, 4), (1, 48)])
    def test_is_a_step_on_all_its_images(self, step, batch_size, parts, mixing):
        loss, hits, moved = step(batch_size=48, **mixing)
        parted = step(batch_size=batch_size, accumulation_steps=parts, **mixing)
        assert parted[:2] == (pytest.approx(loss), hits)
        assert torch.allclose(parted[2], moved, atol=1e-6)
        assert moved.norm() > 0.01

    def test_each_part_drops_out_something_else(self, spec_of, prepared, striped):
        workload = prepared(spec_of(batch_size=2, accumulation_steps=2), striped)
        seen = []

        class Watched(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(64, 3)

            def forward(self, pixels):
                seen.append(functional.dropout(torch.ones(64), training=self.training))
                return self.linear(pixels.flatten(1))

        object.__setattr__(workload, "new_network", Watched)
        stepper = Stepper(workload, spec_of().optimizer)
        for number, batch in enumerate(workload.training.shuffled(0, augmentation=workload.augmentation, stop=2)):
            stepper.step(batch, step=number, learning_rate=0.0, momentum=None)
        assert len({tuple(mask.tolist()) for mask in seen}) == len(seen) == 4

    @pytest.mark.parametrize(
        ("mixing", "prepared_images"),
        [({}, 4), ({"cutout": 3}, 4), ({"mixup": 1.0}, 5), ({"cutmix": 1.0, "cutout": 3}, 5)],  # and a first partner
    )
    def test_no_more_than_a_part_is_there_as_floats(self, spec_of, prepared, striped, mixing, prepared_images):
        spec = spec_of(batch_size=4, accumulation_steps=6, **mixing)
        workload = prepared(spec, striped)
        batch = next(workload.training.shuffled(0, augmentation=workload.augmentation, stop=1))
        assert (batch.pixels.dtype, len(batch)) == (torch.uint8, 24)
        sizes, made = [], []

        def prepare(pixels, corners):
            assert all(images() is None for images in made), "an earlier part is still there"
            images = batch.prepare(pixels, corners)
            sizes.append(len(images))
            made.append(weakref.ref(images))
            return images

        Stepper(workload, spec.optimizer).step(
            replace(batch, prepare=prepare), step=0, learning_rate=0.1, momentum=None
        )
        assert sizes == [prepared_images] * 6


class TestClipping:
    def test_scales_the_whole_gradient_down_to_its_norm(self, step):
        _, _, free = step()
        _, _, clipped = step(gradient_clip=free.norm().item() / 4)
        assert torch.allclose(clipped, free / 4, atol=1e-6)

    def test_leaves_a_smaller_one(self, step):
        _, _, free = step()
        assert torch.equal(step(gradient_clip=free.norm().item() * 2)[2], free)

    def test_is_of_the_mean_over_all_parts(self, step):
        _, _, free = step(batch_size=16)
        norm = free.norm().item() / 2
        _, _, clipped = step(batch_size=4, accumulation_steps=4, gradient_clip=norm)
        assert clipped.norm().item() == pytest.approx(norm, rel=1e-5)  # torch adds 1e-6 to what it divides by

    @pytest.mark.parametrize("clip", [None, 0.1])
    def test_a_loss_scaled_for_fp16_changes_nothing(self, step, clip):
        def scale(stepper):
            stepper.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

        assert torch.allclose(step(gradient_clip=clip, change=scale)[2], step(gradient_clip=clip)[2], atol=1e-6)


class TestTheLoss:
    def test_is_smoothed(self, step, spec_of, prepared, striped):
        workload = prepared(spec_of(), striped)
        batch = next(workload.training.shuffled(0, augmentation=workload.augmentation, start=2, stop=3))
        logits = workload.fresh_network()(batch.images())
        expected = functional.cross_entropy(logits, batch.labels, label_smoothing=0.3)
        assert step(label_smoothing=0.3)[0] == pytest.approx(expected.item())

    @pytest.mark.parametrize("mixing", [{"mixup": 1.0}, {"cutmix": 1.0}, {"cutout": 5}])
    def test_is_that_of_what_the_step_drew(self, step, mixing):
        assert step(**mixing)[0] == step(**mixing)[0]
        assert step(**mixing)[0] != step()[0]
