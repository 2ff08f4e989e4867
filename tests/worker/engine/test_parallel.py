"""Two ranks against one process: each test reads what three processes of `rank_at_work.py` wrote down."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from worker.engine.events import Stop
from worker.engine.parallel import ALONE, tells_of_a_lost_rank

pytestmark = pytest.mark.timeout(300)  # all three begin with the first test

SCRIPT = Path(__file__).with_name("rank_at_work.py")


@pytest.fixture(scope="module")
def wrote(tmp_path_factory):
    """By name of the scene: what one process alone saw, and what each of two did."""
    root = Path(__file__).parents[3]
    folders = {count: tmp_path_factory.mktemp(f"{count}") for count in (1, 2)}
    started = [
        subprocess.Popen(
            [sys.executable, SCRIPT, str(number), str(count), folder], cwd=root, env={"PYTHONPATH": str(root)}
        )
        for count, folder in folders.items()
        for number in range(count)
    ]
    assert [process.wait(timeout=250) for process in started] == [0, 0, 0]
    alone, first, second = (
        pickle.loads((folders[count] / f"{number}.pickle").read_bytes())  # noqa: S301 - our own, just written
        for count, number in ((1, 0), (2, 0), (2, 1))
    )
    return {name: (alone[name], first[name], second[name]) for name in alone}


def same_weights(ours, theirs):
    return all(np.array_equal(ours[name], theirs[name]) for name in ours) and ours.keys() == theirs.keys()


class TestSameAsOneProcess:
    @pytest.mark.parametrize("scene", ["lenet", "every_option", "range_test", "frozen"])
    def test_the_same_loss_at_every_step(self, wrote, scene):
        alone, first, second = wrote[scene]
        assert len(first["losses"]) == len(alone["losses"]) > 5
        assert first["losses"] == second["losses"]
        # Where a sweep diverges, in its last three steps, the smallest difference grows as well.
        end = -3 if scene == "range_test" else None
        assert first["losses"][:end] == pytest.approx(alone["losses"][:end], abs=1e-4)

    @pytest.mark.parametrize("scene", ["lenet", "every_option", "frozen"])
    def test_the_same_epochs(self, wrote, scene):
        alone, first, second = wrote[scene]
        assert first["epochs"] == second["epochs"]
        assert np.array(first["epochs"]) == pytest.approx(np.array(alone["epochs"]), abs=1e-4)

    @pytest.mark.parametrize("scene", ["lenet", "every_option", "frozen"])
    def test_plain_weights_that_are_the_same_on_all(self, wrote, scene):
        alone, first, second = (seen["weights"] for seen in wrote[scene])
        assert same_weights(first, second)
        assert first.keys() == alone.keys()
        assert all(first[name] == pytest.approx(alone[name], abs=1e-4) for name in alone)

    def test_a_sweep_ends_at_the_same_step(self, wrote):
        assert [seen["stopped"] for seen in wrote["range_test"]] == ["diverged"] * 3


class TestTogether:
    def test_batch_norm_statistics_are_the_same_on_all(self, wrote):
        _, first, second = wrote["batch_norm"]
        assert first["losses"] == second["losses"]
        assert first["epochs"] == second["epochs"]
        assert first["epochs"][-1][3] > 0.5  # it learns; chance is 0.1
        assert same_weights(first["weights"], second["weights"])

    def test_batch_norm_momenta_are_compared_alike(self, wrote):
        alone, first, second = wrote["batch_norm_momenta"]
        assert first["compared"] == second["compared"]
        assert same_weights(first["weights"], second["weights"])
        momenta = [[one["momentum"] for one in seen["compared"]["momenta"]] for seen in (alone, first)]
        assert momenta[0] == momenta[1]
        assert len({one["validation_loss"] for one in first["compared"]["momenta"]}) == len(momenta[0])

    def test_all_stop_where_the_first_was_asked_to(self, wrote):
        _, first, second = wrote["resumed"]
        assert (first["reason"], second["reason"]) == (Stop.YIELD, Stop.YIELD)
        assert first["stopped_after"] == second["stopped_after"] == 8

    def test_goes_on_with_the_same_bits(self, wrote):
        for seen in wrote["resumed"][1:]:
            assert seen["losses_in_two"] == seen["losses"]
            assert same_weights(seen["weights"], seen["weights_in_two"])

    def test_all_notice_a_divergence_at_the_same_step(self, wrote):
        _, first, second = wrote["diverged"]
        assert first["detail"] == second["detail"]
        assert first["asked"] == second["asked"]

    def test_the_first_alone_writes_checkpoints(self, wrote):
        _, first, second = wrote["resumed"]
        assert (first["saved"], second["saved"]) == (1, 0)
        assert first["files"] == second["files"] == 1

    def test_fewer_images_than_ranks_to_look_at(self, wrote):
        alone, first, second = wrote["few_images"]
        assert alone["batch_size"] == 99  # 100, of which one is held out
        assert first["batch_size"] == 98  # which two can share
        assert first["epochs"] == second["epochs"]
        assert len(first["epochs"]) == 2

    def test_what_fits_is_asked_by_one_and_counts_all(self, wrote):
        alone, _, second = wrote["fitting"]
        assert alone["fits"] == second["fits"] == 32  # half of 64, on two devices half of 32 each

    def test_dropout_differs_between_them(self, wrote):
        _, first, second = wrote["dropout"]
        assert first["masks"] == second["masks"] == [True]
        assert first["first_number"] != second["first_number"]


class TestAgreement:
    def test_the_first_decides(self, wrote):
        alone, first, second = wrote["agreement"]
        for seen in (alone, first, second):
            assert seen["agreed"] == 7
            assert seen["told"] == {"by": 0}
        assert (alone["sum"], first["sum"], second["sum"]) == ([1, 0], [2, 1], [2, 1])

    def test_what_the_first_leaves_the_others_find(self, wrote):
        assert [seen["found"] for seen in wrote["agreement"][1:]] == [True, True]
        assert (wrote["agreement"][0]["threads"], wrote["agreement"][1]["threads"]) == (1, 1)  # of two cores

    @pytest.mark.parametrize(("rows", "count"), [(10, 3), (2, 3), (0, 2), (64, 4)])
    def test_shares_cover_all_once(self, rows, count):
        class Other(type(ALONE)):
            def __init__(self, number):
                self.number, self.count = number, count

        shares = [list(Other(number).share(rows)) for number in range(count)]
        assert [row for share in shares for row in share] == list(range(rows))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1

    def test_a_lost_rank_is_told_from_other_errors(self):
        gloo = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer"
        assert tells_of_a_lost_rank(RuntimeError(gloo))
        assert not tells_of_a_lost_rank(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
