import pytest
import torch
from torch import nn

from worker.engine.batches import Source
from worker.engine.errors import DeviceOutOfMemory, HostOutOfMemory
from worker.engine.fitting import largest_fitting
from worker.messages import Finished
from worker.work import within_memory

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


class Greedy(nn.Module):
    """Has room for so many images at once."""

    def __init__(self, room, error):
        super().__init__()
        self.layer, self.room, self.error = nn.Linear(64, 3), room, error

    def forward(self, images):
        if len(images) > self.room:
            raise self.error
        return self.layer(images.flatten(1))


@pytest.fixture
def workload(spec_of, prepared, striped):
    """Batches of 16 on a network with room for `room`."""

    def make(room, error=FULL, **fields):
        spec = spec_of("training", batch_size=16, **fields)
        there = prepared(spec, striped)
        object.__setattr__(there, "new_network", lambda: Greedy(room, error))
        return there, spec

    return make


class TestLargestFitting:
    @pytest.mark.parametrize(("room", "expected"), [(15, 8), (8, 8), (7, 4), (1, 1), (0, None)])
    def test_is_a_half_a_quarter_and_so_on(self, workload, room, expected):
        there, spec = workload(room)
        assert largest_fitting(there, spec.optimizer) == expected

    def test_counts_the_images_of_one_part_of_a_step(self, workload):
        there, spec = workload(100, accumulation_steps=2)
        assert largest_fitting(there, spec.optimizer) == 8

    def test_keeps_the_bytes_of_a_whole_step_beside_the_part(self, workload, monkeypatch):
        there, spec = workload(100, accumulation_steps=2)
        select, sizes = Source.select, []
        monkeypatch.setattr(Source, "select", lambda *asked: (sizes.append(len(asked[1])), select(*asked))[1])
        assert largest_fitting(there, spec.optimizer) == 8
        assert sizes == [32, 32]  # 2 parts of 16, in two steps

    def test_leaves_the_global_generator(self, workload):
        there, spec = workload(5)
        before = torch.get_rng_state()
        largest_fitting(there, spec.optimizer)
        assert torch.equal(torch.get_rng_state(), before)


class TestWithinMemory:
    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (DeviceOutOfMemory("CUDA out of memory."), DeviceOutOfMemory),
            (MemoryError("can't allocate memory"), HostOutOfMemory),
        ],
    )
    def test_says_what_there_is_room_for(self, workload, error, kind):
        there, spec = workload(4)

        def work():
            raise error

        with pytest.raises(kind) as caught:
            within_memory(there, spec, work)
        assert "room for batch_size 4, with accumulation_steps 4" in caught.value.hint
        assert caught.value.__context__ is None  # it would keep alive what ran out of memory

    def test_or_that_there_is_none(self, workload):
        there, spec = workload(0)

        def work():
            raise DeviceOutOfMemory("CUDA out of memory.")

        with pytest.raises(DeviceOutOfMemory) as caught:
            within_memory(there, spec, work)
        assert "Not even smaller batches" in caught.value.hint

    def test_is_out_of_the_way_else(self, workload):
        there, spec = workload(4)
        assert within_memory(there, spec, lambda: Finished({"a": 1})) == Finished({"a": 1})
