"""Files of arrays that are not what they promise: cut off, damaged, too large, gone."""

import gzip
import io
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from worker.datasets.array_files import find_arrays
from worker.datasets.array_sets import judge_arrays
from worker.datasets.errors import Refused

GREY = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def npy(shape, *, dtype="|u1", data=b""):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


class TestContent:
    @pytest.fixture
    def said(self, tmp_path):
        """What is said of an npz with this member for images."""

        def read(member):
            labels = io.BytesIO()
            np.save(labels, LABELS)
            with zipfile.ZipFile(tmp_path / "a.npz", "w") as npz:
                npz.writestr("images.npy", member)
                npz.writestr("labels.npy", labels.getvalue())
            with pytest.raises(Refused) as refusal:
                list(judge_arrays(find_arrays(tmp_path)).pictures())
            assert refusal.value.problem.path == "images"
            return refusal.value.problem

        return read

    @pytest.mark.parametrize(
        ("member", "code", "says"),
        [
            (b"", "unreadable_array", "cannot be read"),
            (b"\x93NUMPY\x09\x00", "unreadable_array", "version (9, 0)"),
            (npy("(6, 4, 5)", data=bytes(119)), "unreadable_array", "ends before its entry 5"),
            (npy("(6, 4, 5)", data=bytes(121)), "unreadable_array", "goes on after the 6 entries"),
            (npy("(6, -4, 5)"), "empty_array", "(6, -4, 5)"),
            (npy("(6, 4, 'x')"), "unreadable_array", "cannot be read"),
            (npy("__import__('os').getpid()"), "unreadable_array", "cannot be read"),
            (npy("(10**9, 4, 5)".replace("10**9", "1000000000")), "array_too_large", "1,000,000,000 entries"),
            (npy("(6, 40000, 40000)"), "array_too_large", "1,600,000,000 bytes"),
            (npy("(10000000, 90, 90)"), "array_too_large", "81,000,000,000 bytes"),
            (npy("(900000, 40, 40)"), "array_too_large", "200 times"),  # 1.4 GB from a few hundred bytes
        ],
    )
    def test_headers_are_judged_before_anything_is_read(self, said, member, code, says):
        problem = said(member)
        assert problem.code == code
        assert says in problem.detail

    def test_a_wrong_checksum(self, tmp_path):
        np.savez(tmp_path / "a.npz", images=GREY, labels=LABELS)
        data = bytearray((tmp_path / "a.npz").read_bytes())
        data[data.index(GREY.tobytes()) + 7] ^= 1
        (tmp_path / "a.npz").write_bytes(data)
        with pytest.raises(Refused, match="images: It cannot be read: Bad CRC"):
            list(judge_arrays(find_arrays(tmp_path)).pictures())

    def test_half_a_gzipped_idx(self, make_folder):
        images = gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", *GREY.shape) + GREY.tobytes())
        labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 6) + LABELS.astype(np.uint8).tobytes()
        files = {"train-images-idx3-ubyte.gz": images[:-40], "train-labels-idx1-ubyte": labels}
        with pytest.raises(Refused, match=r"train-images-idx3-ubyte\.gz: It cannot be read"):
            list(judge_arrays(find_arrays(make_folder(files))).pictures())

    def test_a_file_that_is_gone_is_no_fault_of_the_array(self, tmp_path):
        np.savez(tmp_path / "a.npz", images=GREY, labels=LABELS)
        found = judge_arrays(find_arrays(tmp_path))
        moved = replace(found.files.train.images, path=tmp_path / "gone.npz")
        gone = replace(found, files=replace(found.files, train=replace(found.files.train, images=moved)))
        with pytest.raises(FileNotFoundError):
            list(gone.pictures())
