import pytest
import torch
from torch import nn
from torch.nn import functional

from worker.engine.errors import Stopped
from worker.engine.evaluation import evaluate, until_stopped
from worker.engine.events import Stop


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


class TestEvaluate:
    def test_mirrors_add_their_logits(self, network, spec_of, prepared, striped, control):
        batches = prepared(spec_of(), striped).validation
        [(pixels, labels)] = batches.in_order()
        logits = (network(pixels) + network(pixels.flip(-1))) / 2
        score = evaluate(network, batches, precision="fp32", control=control, mirrored_too=True)
        assert score.loss == pytest.approx(functional.cross_entropy(logits, labels).item())
        assert score.accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())
        assert score != evaluate(network, batches, precision="fp32", control=control)

    def test_is_plain_cross_entropy_whatever_was_trained_with(self, network, spec_of, prepared, striped, control):
        batches = prepared(spec_of(label_smoothing=0.3, mixup=1.0, cutout=4), striped).validation
        [(pixels, labels)] = batches.in_order()
        score = evaluate(network, batches, precision="fp32", control=control)
        assert score.loss == pytest.approx(functional.cross_entropy(network(pixels), labels).item())

    @pytest.mark.parametrize("mirrored_too", [False, True])
    def test_counts_what_is_taken_for_what(self, network, spec_of, prepared, striped, control, mirrored_too):
        batches = prepared(spec_of(), striped).validation
        [(pixels, labels)] = batches.in_order()
        logits = network(pixels) + (network(pixels.flip(-1)) if mirrored_too else 0)
        options = {"precision": "fp32", "control": control, "mirrored_too": mirrored_too}
        counts = evaluate(network, batches, count_classes=3, **options).counts
        for true in range(3):
            for taken in range(3):
                assert counts[true, taken] == ((labels == true) & (logits.argmax(1) == taken)).sum()
        assert counts.sum() == len(labels)
        assert evaluate(network, batches, **options).counts is None

    def test_leaves_the_mode(self, network, spec_of, prepared, striped, control):
        evaluate(network.train(), prepared(spec_of(), striped).validation, precision="fp32", control=control)
        assert network.training


class TestUntilStopped:
    def test_asks_before_each(self, stopping):
        seen = []
        with pytest.raises(Stopped):
            seen.extend(until_stopped(iter("abc"), stopping(Stop.CANCEL, at=3)))
        assert seen == ["a", "b"]
        assert list(until_stopped(iter("abc"), stopping())) == ["a", "b", "c"]
