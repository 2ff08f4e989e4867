import math

import numpy as np
import pytest
import torch
from torch import nn

from worker.engine import batch_size
from worker.engine.batch_size import _kept_bytes, measured_noise
from worker.engine.data import Dataset, Images
from worker.engine.errors import DeviceOutOfMemory


@pytest.fixture
def noisy():
    """200 pictures: with `share` of the labels drawn at random, so that gradients disagree."""

    def make(share, *, count=200):
        dice = np.random.default_rng(0)
        labels = np.arange(count) % 3
        pixels = dice.integers(0, 100, size=(count, 1, 8, 8), dtype=np.uint8)
        pixels[np.arange(count), :, labels * 2] = 255
        wrong = dice.random(count) < share
        labels = np.where(wrong, dice.integers(0, 3, count), labels).astype(np.int64)
        return Dataset("noisy", ["a", "b", "c"], Images(pixels, labels), None, [0.25], [0.25])

    return make


@pytest.fixture
def openly(spec_of, prepared, monkeypatch):
    """What is handed over to measure a batch size."""

    def make(dataset, **fields):
        seen = []
        chosen = batch_size.choose_batch_size
        spy = lambda work: (seen.append(work), chosen(work))[1]  # noqa: E731
        monkeypatch.setattr("worker.engine.workload.choose_batch_size", spy)
        workload = prepared(spec_of(batch_size="auto", **fields), dataset)
        return seen[0], workload

    return make


class TestChoice:
    def test_every_reader_meets_the_number(self, openly, noisy):
        work, workload = openly(noisy(0.5))
        found = workload.resolved["batch_size"]
        assert found.value == workload.training.batch_size
        assert found.value in (16, 32, 64, 128)  # of 150 images
        assert found.origin == "measured"
        assert "gradient noise scale over 20 of the first 40 steps is" in found.reason
        assert f"steps is {workload.resolved['noise_scale'].value:.3g}" in found.reason
        assert workload.steps_per_epoch == work.images // found.value

    def test_grows_with_the_noise(self, openly, noisy):
        scales = [measured_noise(openly(noisy(share))[0]) for share in (0.0, 1.0)]
        assert scales[1] > 2 * scales[0]

    def test_again_is_the_same_and_leaves_the_generators(self, openly, noisy):
        before = torch.get_rng_state()
        first, second = (openly(noisy(0.5))[1].resolved["batch_size"] for _ in range(2))
        assert first == second
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("kind", ["training", "range_test"])
    def test_an_earlier_attempt_has_the_last_word(self, spec_of, prepared, noisy, monkeypatch, kind):
        monkeypatch.setattr("worker.engine.workload.choose_batch_size", None)  # not asked
        known = {"value": 48, "origin": "measured", "reason": "as before"}
        settled = {"batch_size": known, "noise_scale": known | {"value": 70.0}}
        workload = prepared(spec_of(kind, batch_size="auto"), noisy(0.5), settled=settled)
        assert vars(workload.resolved["batch_size"]) == known
        assert workload.resolved["noise_scale"].value == 70.0
        assert workload.training.batch_size == 48

    def test_too_few_images_to_measure(self, openly, noisy):
        _, workload = openly(noisy(0.0, count=24))
        assert workload.resolved["batch_size"].value == 18
        assert "noise_scale" not in workload.resolved
        assert "could not be measured" in workload.resolved["batch_size"].reason

    def test_a_rate_at_which_it_diverges_tells_nothing(self, openly, noisy, monkeypatch):
        monkeypatch.setattr(batch_size, "FALLBACK", {"sgd": 1e30})
        _, workload = openly(noisy(0.0))
        assert workload.resolved["batch_size"].value == 128
        assert "could not be measured" in workload.resolved["batch_size"].reason

    def test_noise_without_end_is_null(self, openly, noisy, monkeypatch):
        work, _ = openly(noisy(0.0))
        monkeypatch.setattr(batch_size, "measured_noise", lambda _: math.inf)
        found = batch_size.choose_batch_size(work)
        assert found["batch_size"].value == 128  # of 150 images
        assert found["noise_scale"].value is None
        assert "hides the true gradient" in found["noise_scale"].reason


class TestMemory:
    def test_of_a_host_is_foretold(self, openly, noisy, monkeypatch):
        work, _ = openly(noisy(1.0))
        each = _kept_bytes(work, 16) / 16
        wanted = batch_size.choose_batch_size(work)["batch_size"].value
        assert wanted > 16
        monkeypatch.setattr(batch_size, "host_bytes", lambda: 2 * 2 * each * wanted * 0.9)  # half may be taken
        less = batch_size.choose_batch_size(work)["batch_size"]
        assert less.value == wanted // 2
        assert f"memory has no room for {wanted}" in less.reason

    def test_is_what_the_backward_pass_needs(self, openly, noisy):
        """An MLP keeps the flat images, and each hidden layer's activations: 64 and 2 × 16 floats an image."""
        work, _ = openly(noisy(0.0))
        assert _kept_bytes(work, 16) >= 16 * (64 + 16) * 4
        assert _kept_bytes(work, 64) == pytest.approx(4 * _kept_bytes(work, 16), rel=0.1)

    def test_of_a_gpu_is_tried(self, openly, noisy, monkeypatch):
        work, _ = openly(noisy(1.0))
        tried = []

        def attempt(_, size):
            tried.append(size)
            if size > 20:
                raise DeviceOutOfMemory("full")

        monkeypatch.setattr(batch_size, "_try", attempt)
        object.__setattr__(work, "device", torch.device("cuda"))
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
        assert batch_size._fitting(work, 64) == 16
        assert tried == [64, 32, 16]

    def test_of_several_devices_is_each_ones(self, openly, noisy, monkeypatch):
        work, _ = openly(noisy(1.0))
        object.__setattr__(work, "devices", 3)
        sizes = []
        monkeypatch.setattr(batch_size, "_fits", lambda _, size: bool(sizes.append(size)) or True)
        monkeypatch.setattr(batch_size, "measured_noise", lambda _: 70.0)
        assert batch_size.choose_batch_size(work)["batch_size"].value == 63  # of 64, what three can share
        assert sizes == [22]


class TestGradients:
    def test_whole_is_the_mean_of_its_parts(self, openly, noisy):
        """The step that is taken is that of the whole batch: batch norm aside, as of one large batch."""
        work, _ = openly(noisy(0.5))
        networks = [work.network() for _ in range(2)]
        batch = next(work.stream(64, 1))
        steppings = [torch.optim.SGD(network.parameters(), lr=0.0) for network in networks]
        batch_size._take_step(networks[0], steppings[0], batch, parts=4, rate=0.1)
        nn.functional.cross_entropy(networks[1](batch.images()), batch.labels).backward()
        for group in steppings[1].param_groups:
            group["lr"] = 0.1
        steppings[1].step()
        for ours, plain in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
            assert torch.allclose(ours, plain, atol=1e-6)
