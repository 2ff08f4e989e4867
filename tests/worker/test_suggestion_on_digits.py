"""The whole way on real data, in a bare loop: sweep the handwritten digits, take the pick, train one cycle."""

import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from app.domain.schedules import OneCycle, sweep_rates
from app.domain.suggestion import suggest_learning_rate


def block(channels_in, channels_out):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()
    )


@pytest.fixture(autouse=True)
def single_thread():
    """Batches this small gain nothing from a second thread, and lose much beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images[:, None], dtype=torch.float32)[order] / 8 - 1
    labels = torch.tensor(data.target)[order]
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


@pytest.fixture
def steps(digits):
    """One optimizer step per learning rate and momentum handed over; gives the network and the losses."""

    def run(rates, *, seed):
        torch.manual_seed(seed)
        net = nn.Sequential(
            block(1, 8), block(8, 16), nn.MaxPool2d(2), block(16, 32), nn.AdaptiveMaxPool2d(1), nn.Flatten(),
            nn.Linear(32, 10),
        )  # fmt: skip
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
        losses = []
        for rate, momentum in rates:
            optimizer.param_groups[0].update(lr=rate, momentum=momentum)
            batch = torch.randint(1437, (128,))
            loss = nn.functional.cross_entropy(net(digits[0][batch]), digits[1][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if not losses[-1] < 3 * losses[0]:
                break
        return net, losses

    return run


def test_a_cycle_at_the_pick_reaches_97_percent_in_ten_epochs(digits, steps):
    rates = sweep_rates(1e-6, 10.0, 100, "exponential")
    _, losses = steps([(rate, 0.9) for rate in rates], seed=0)
    stopped = "non_finite" if not math.isfinite(losses[-1]) else "diverged" if len(losses) < 100 else "end"
    suggestion = suggest_learning_rate(rates[: len(losses)], losses, stopped=stopped)
    assert suggestion.rule == "margin"
    net, _ = steps(OneCycle(max_lr=suggestion.max_lr, total_steps=110), seed=1)
    with torch.no_grad():
        correct = net.eval()(digits[2]).argmax(dim=1) == digits[3]
    assert correct.float().mean() >= 0.97
