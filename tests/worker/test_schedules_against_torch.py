"""Our cycles against torch's OneCycleLR, on the shapes it can express.

torch puts its landmarks at share·T − 1 steps, ours lie at share·(T − 1); the shares are moved to meet.
"""

import pytest
import torch

from app.domain.schedules import OneCycle


@pytest.fixture
def torch_values():
    def run(total, **settings):
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.8, total_steps=total, **settings)
        values = []
        for step in range(total):
            values.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
            optimizer.step()
            if step + 1 < total:
                scheduler.step()
        return values

    return run


@pytest.mark.parametrize("total", [7, 10, 88, 100, 1000])
class TestEqualsTorch:
    def test_three_phase(self, torch_values, total):
        right = torch_values(
            total, three_phase=True, pct_start=0.45, div_factor=10, final_div_factor=100, anneal_strategy="linear"
        )
        up = (0.45 * total - 1) / (total - 1)
        down_ends = (2 * 0.45 * total - 2) / (total - 1)  # torch mirrors the rise
        ours = OneCycle(max_lr=0.8, total_steps=total, shape="three_phase", up=up, annihilation=1 - down_ends)
        for mine, theirs in zip(ours, right, strict=True):
            assert mine == pytest.approx(theirs, abs=1e-9)

    @pytest.mark.parametrize("rising", [0.3, 0.5, 0.9])
    def test_cosine(self, torch_values, total, rising):
        right = torch_values(total, pct_start=rising)
        ours = OneCycle(max_lr=0.8, total_steps=total, shape="cosine", up=(rising * total - 1) / (total - 1))
        for mine, theirs in zip(ours, right, strict=True):
            assert mine == pytest.approx(theirs, abs=1e-9)

    @pytest.mark.parametrize("rising", [0.3, 0.9])
    def test_triangle(self, torch_values, total, rising):
        right = torch_values(total, pct_start=rising, anneal_strategy="linear", div_factor=4, final_div_factor=50)
        ours = OneCycle(
            max_lr=0.8, total_steps=total, shape="triangle", up=(rising * total - 1) / (total - 1),
            initial_div=4, final_div=50, max_momentum=0.95, min_momentum=0.85,
        )  # fmt: skip
        for mine, theirs in zip(ours, right, strict=True):
            assert mine == pytest.approx(theirs, abs=1e-9)
