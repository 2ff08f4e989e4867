import hashlib
import re

import pytest
import torch

from worker.engine.checkpoint import Checkpoints, load_checkpoint
from worker.engine.errors import CheckpointDamaged


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path, every_seconds=60)


class TestSave:
    def test_digest_is_that_of_the_file(self, checkpoints):
        saved = checkpoints.save({"weights": torch.arange(5)}, step=7, best=True)
        assert saved.sha256 == hashlib.sha256(saved.path.read_bytes()).hexdigest()
        assert (saved.step, saved.best) == (7, True)
        assert load_checkpoint(saved.path)["weights"].tolist() == [0, 1, 2, 3, 4]

    def test_keeps_the_last_two_and_foreign_files(self, checkpoints, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        paths = [checkpoints.save({"step": step}, step=step, best=False).path for step in (5, 10, 100, 2000)]
        assert sorted(tmp_path.iterdir()) == sorted([*paths[-2:], tmp_path / "notes.txt"])

    def test_failure_leaves_the_old_one(self, checkpoints, tmp_path):
        old = checkpoints.save({"step": 1}, step=1, best=False).path
        with pytest.raises(Exception, match="pickle"):
            checkpoints.save({"step": lambda: None}, step=2, best=False)
        assert list(tmp_path.iterdir()) == [old]

    def test_due_by_the_clock(self, tmp_path):
        assert Checkpoints(tmp_path, every_seconds=0).is_due
        assert not Checkpoints(tmp_path, every_seconds=60).is_due
        assert not Checkpoints(tmp_path, every_seconds=60).is_due_at_epoch_end


class TestLoad:
    def test_one_flipped_bit_is_seen(self, checkpoints):
        path = checkpoints.save({"weights": torch.zeros(100)}, step=1, best=False).path
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(CheckpointDamaged, match="another content"):
            load_checkpoint(path)

    def test_only_tensors_and_numbers_are_read(self, checkpoints):
        saved = checkpoints.save({"pattern": re.compile("x")}, step=1, best=False)
        with pytest.raises(CheckpointDamaged, match="more than tensors"):
            load_checkpoint(saved.path)

    @pytest.mark.parametrize("name", ["weights.pt", "checkpoint-000000001-0123456789abcdef.pt"])
    def test_missing_or_misnamed(self, tmp_path, name):
        with pytest.raises(CheckpointDamaged):
            load_checkpoint(tmp_path / name)
