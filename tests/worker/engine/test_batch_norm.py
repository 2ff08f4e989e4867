import pytest
import torch
from torch import nn

from worker.engine.batch_norm import plain_batches, recompute_statistics
from worker.engine.norm_layers import has_statistics


def batches_of(*sizes):
    torch.manual_seed(0)
    return [(3 * torch.randn(size, 2, 4, 4) + 5, torch.zeros(size, dtype=torch.long)) for size in sizes]


class TestRecompute:
    def test_is_the_average_over_the_batches(self):
        layer, batches = nn.BatchNorm2d(2), batches_of(8, 8, 8)
        recompute_statistics(layer, batches, precision="fp32")
        means = torch.stack([pixels.mean((0, 2, 3)) for pixels, _ in batches])
        variances = torch.stack([pixels.var((0, 2, 3)) for pixels, _ in batches])
        assert torch.allclose(layer.running_mean, means.mean(0), atol=1e-5)
        assert torch.allclose(layer.running_var, variances.mean(0), rtol=1e-5)

    def test_forgets_what_was_there(self):
        one, other, batches = nn.BatchNorm2d(2), nn.BatchNorm2d(2), batches_of(8, 8)
        other.running_mean.fill_(100)
        for layer in (one, other):
            recompute_statistics(layer, batches, precision="fp32")
        assert torch.equal(one.running_mean, other.running_mean)

    @pytest.mark.parametrize("mode", [True, False])
    def test_leaves_modes_and_momenta(self, mode):
        network = nn.Sequential(nn.BatchNorm2d(2, momentum=0.3), nn.Dropout(0.5), nn.BatchNorm2d(2)).train(mode)
        network[2].eval()  # a frozen layer in a training network
        recompute_statistics(network, batches_of(8), precision="fp32")
        assert [layer.training for layer in network] == [mode, mode, False]
        assert [network[0].momentum, network[2].momentum] == [0.3, 0.1]

    def test_nothing_is_dropped_out(self):
        network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(2))
        ((pixels, _),) = batches = batches_of(8)
        recompute_statistics(network, batches, precision="fp32")
        assert torch.allclose(network[1].running_mean, pixels.mean((0, 2, 3)), atol=1e-5)

    def test_comes_back_from_a_failure(self):
        def broken():
            yield from batches_of(8)
            raise KeyboardInterrupt

        layer = nn.BatchNorm2d(2)
        with pytest.raises(KeyboardInterrupt):
            recompute_statistics(layer, broken(), precision="fp32")
        assert (layer.momentum, layer.training) == (0.1, True)

    @pytest.mark.parametrize(
        ("layer", "expected"),
        [(nn.BatchNorm2d(2), True), (nn.BatchNorm2d(2, track_running_stats=False), False), (nn.GroupNorm(1, 2), False)],
    )
    def test_knows_where_there_is_something_to_do(self, layer, expected):
        assert has_statistics(nn.Sequential(nn.ReLU(), layer)) is expected


class TestPlainBatches:
    @pytest.mark.parametrize(
        ("batch_size", "accumulation_steps", "sizes"),
        [
            (16, 1, [16, 16, 16]),  # 54 images: 6 are left out
            (53, 1, [53]),  # and never a batch of one
            (8, 3, [8] * 6),  # in the parts that training has room for
        ],
    )
    def test_are_equally_large(self, spec_of, prepared, striped, batch_size, accumulation_steps, sizes):
        workload = prepared(spec_of(batch_size=batch_size, accumulation_steps=accumulation_steps), striped)
        assert [len(pixels) for pixels, _ in plain_batches(workload)] == sizes

    def test_are_plain_and_the_same_every_time(self, spec_of, prepared, striped):
        workload = prepared(spec_of(augmentation={"crop": 3, "flip": True}), striped)
        first, second = ([pixels for pixels, _ in plain_batches(workload)] for _ in range(2))
        assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
        known = {pixels.numpy().tobytes() for part, _ in workload.validation.in_order() for pixels in part}
        known |= {pixels.numpy().tobytes() for part, _ in workload.training.in_order() for pixels in part}
        assert {pixels.contiguous().numpy().tobytes() for part in first for pixels in part} <= known

    def test_are_at_most_8192_images(self, spec_of, prepared, striped, monkeypatch):
        workload = prepared(spec_of(), striped)
        monkeypatch.setattr("worker.engine.batch_norm._IMAGES", 40)
        assert [len(pixels) for pixels, _ in plain_batches(workload)] == [16, 16]  # 40 // 16
