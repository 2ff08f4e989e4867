import pytest
import torch

from worker.engine.determinism import determinism
from worker.engine.errors import NotDeterministic


def switches():
    return torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark


@pytest.fixture(autouse=True)
def _searching():
    """cuDNN's search switched on, so that switching it off shows."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    yield
    torch.backends.cudnn.benchmark = before


class TestDeterminism:
    @pytest.mark.parametrize(("wanted", "inside"), [(True, (True, False)), (False, (False, True))])
    def test_lasts_as_long_as_the_work(self, wanted, inside):
        with determinism(wanted):
            assert switches() == inside
        assert switches() == (False, True)

    def test_ends_with_a_failure(self):
        with pytest.raises(ZeroDivisionError), determinism(True):
            raise ZeroDivisionError
        assert switches() == (False, True)

    def test_what_cannot_be_is_said(self):
        says = r"^put_ does not have a deterministic implementation$"
        with pytest.raises(NotDeterministic, match=says), determinism(True):
            torch.zeros(4).put_(torch.tensor([0]), torch.tensor([1.0]))
        assert switches() == (False, True)

    def test_other_failures_keep_their_name(self):
        with pytest.raises(RuntimeError, match="must match"), determinism(True):
            torch.zeros(3) + torch.zeros(4)
