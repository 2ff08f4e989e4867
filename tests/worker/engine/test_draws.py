import numpy as np
import pytest
import torch

from worker.engine.draws import Use, preserved, seed_torch


class TestSeedTorch:
    def test_seeds_as_torch_itself_does(self):
        with preserved(torch.device("cpu")):
            torch.manual_seed(int(np.random.SeedSequence([7, Use.DROPOUT, 3]).generate_state(1, np.uint64)[0]))
            expected = torch.rand(4)
            seed_torch(7, use=Use.DROPOUT, position=3)
            assert torch.equal(torch.rand(4), expected)

    @pytest.mark.parametrize("other", [(8, Use.DROPOUT, 3), (7, Use.NETWORK, 3), (7, Use.DROPOUT, 4)])
    def test_streams_differ(self, other):
        with preserved(torch.device("cpu")):
            seed_torch(7, use=Use.DROPOUT, position=3)
            numbers = torch.rand(4)
            seed, use, position = other
            seed_torch(seed, use=use, position=position)
            assert not torch.equal(torch.rand(4), numbers)
