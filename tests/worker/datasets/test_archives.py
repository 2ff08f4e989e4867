"""Archives that anybody may send: the good ones unpack, the others are refused and write nothing outside."""

import contextlib
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from backports import zstd

from worker.datasets.archives import ArchiveLimits, extract_images
from worker.datasets.errors import Refused

GENEROUS = ArchiveLimits()


def zipped(target, files, *, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def tarred(target, members, *, mode="w"):
    with contextlib.ExitStack() as stack:
        packed = stack.enter_context(zstd.open(target, "wb")) if mode == "w:zst" else None
        archive = stack.enter_context(tarfile.open(target, "w" if packed else mode, fileobj=packed))
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return target


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "inside" / "into"
    folder.mkdir(parents=True)
    return folder


def files_below(folder: Path):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refusal(archive, into, limits=GENEROUS):
    with pytest.raises(Refused) as error:
        extract_images(archive, into, limits=limits)
    outside = [path for path in into.parents[1].rglob("*") if path.is_file() and not path.is_relative_to(into)]
    assert outside == [archive]
    return error.value.problem.code


FILES = {"pets/cat/a.jpg": b"aaa", "./pets/dog/b.png": b"bb", "pets/notes.txt": b"no image"}


class TestGoodArchives:
    def test_zip(self, tmp_path, into):
        extract_images(zipped(tmp_path / "a.zip", FILES), into, limits=GENEROUS)
        assert files_below(into) == ["pets/cat/a.jpg", "pets/dog/b.png"]
        assert (into / "pets/cat/a.jpg").read_bytes() == b"aaa"

    def test_folders_may_come_in_turn(self, tmp_path, into):
        names = ["cat/1.png", "dog/1.png", "cat/2.png", "cat/deep/1.png", "0.png", "cat/3.png"]
        extract_images(zipped(tmp_path / "a.zip", dict.fromkeys(names, b"x")), into, limits=GENEROUS)
        assert files_below(into) == sorted(names)

    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "w:zst"])
    def test_tar(self, tmp_path, into, mode):
        members = [("pets", (tarfile.DIRTYPE, "")), *FILES.items()]
        extract_images(tarred(tmp_path / "a.tar", members, mode=mode), into, limits=GENEROUS)
        assert files_below(into) == ["pets/cat/a.jpg", "pets/dog/b.png"]

    @pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", "mnist.npz"])
    def test_arrays_are_unpacked_too(self, tmp_path, into, name):
        limits = ArchiveLimits(member_bytes=2)  # of pictures: an array holds many
        extract_images(tarred(tmp_path / "a.tar", [(f"set/{name}", b"aaa")]), into, limits=limits)
        assert files_below(into) == [f"set/{name}"]

    def test_modes_of_members_are_not_taken_over(self, tmp_path, into):
        info = tarfile.TarInfo("cat/a.jpg")
        info.mode = 0o4777
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            archive.addfile(info, io.BytesIO())
        extract_images(tmp_path / "a.tar", into, limits=GENEROUS)
        assert (into / "cat/a.jpg").stat().st_mode & (stat.S_ISUID | 0o111) == 0


UNSAFE = ["/etc/a.jpg", "../a.jpg", "cat/../../a.jpg", "cat\\a.jpg", "C:/a.jpg", "cat/a\n.jpg", "c" * 300 + ".jpg"]


class TestPaths:
    @pytest.mark.parametrize("name", UNSAFE)
    def test_unsafe_ones_in_a_zip(self, tmp_path, into, name):
        assert refusal(zipped(tmp_path / "a.zip", {name: b"x"}), into) == "unsafe_path"

    @pytest.mark.parametrize("name", [*UNSAFE, "cat/\udcff.jpg"])
    def test_unsafe_ones_in_a_tar(self, tmp_path, into, name):
        assert refusal(tarred(tmp_path / "a.tar", [(name, b"x")]), into) == "unsafe_path"

    def test_a_nul_in_a_zip(self, tmp_path, into):
        archive = zipped(tmp_path / "a.zip", {"cat/aXb.jpg": b"x"})
        archive.write_bytes(archive.read_bytes().replace(b"aXb", b"a\0b"))
        assert refusal(archive, into) == "unsafe_path"

    @pytest.mark.parametrize("names", [["a/b.jpg", "a/b.jpg"], ["a/b.jpg", "a/B.JPG"], ["a/b.jpg", "./a/b.jpg"]])
    def test_names_that_collide(self, tmp_path, into, names):
        assert refusal(tarred(tmp_path / "a.tar", [(name, b"x") for name in names]), into) == "duplicate_member"

    def test_a_file_that_is_also_a_folder(self, tmp_path, into):
        members = [("a.jpg", b"x"), ("a.jpg/b.jpg", b"x")]
        assert refusal(tarred(tmp_path / "a.tar", members), into) == "duplicate_member"


class TestMembers:
    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
    )
    def test_links_and_devices_in_a_tar(self, tmp_path, into, kind):
        assert refusal(tarred(tmp_path / "a.tar", [("cat/a.jpg", (kind, "/etc/passwd"))]), into) == "unsafe_member"

    def test_links_in_a_zip(self, tmp_path, into):
        info = zipfile.ZipInfo("cat/a.jpg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(info, "/etc/passwd")
        assert refusal(tmp_path / "a.zip", into) == "unsafe_member"

    def test_encrypted_ones(self, tmp_path, into):
        archive = zipped(tmp_path / "a.zip", {"cat/a.jpg": b"x"})
        data = bytearray(archive.read_bytes())
        data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
        archive.write_bytes(data)
        assert refusal(archive, into) == "unsafe_member"

    def test_archives_in_the_archive(self, tmp_path, into):
        assert refusal(zipped(tmp_path / "a.zip", {"cat/a.zip": b"x"}), into) == "nested_archive"


class TestLimits:
    def test_members(self, tmp_path, into):
        archive = zipped(tmp_path / "a.zip", {f"cat/{number}.jpg": b"x" for number in range(6)})
        assert refusal(archive, into, ArchiveLimits(members=5)) == "archive_too_large"

    def test_one_member(self, tmp_path, into):
        archive = zipped(tmp_path / "a.zip", {"cat/a.jpg": bytes(1001)})
        assert refusal(archive, into, ArchiveLimits(member_bytes=1000)) == "archive_too_large"

    def test_all_members(self, tmp_path, into):
        archive = zipped(tmp_path / "a.zip", {f"cat/{number}.jpg": bytes(600) for number in range(2)})
        assert refusal(archive, into, ArchiveLimits(total_bytes=1000)) == "archive_too_large"

    def test_the_ratio(self, tmp_path, into):
        archive = zipped(tmp_path / "a.zip", {"cat/a.bmp": bytes(80 << 20)})  # about 1000 : 1
        assert refusal(archive, into) == "archive_too_large"
        written = (into / "cat/a.bmp").stat().st_size
        assert written <= 65 << 20

    def test_what_is_no_image_is_not_unpacked(self, tmp_path, into):
        archive = zipped(tmp_path / "a.zip", {"bomb.txt": bytes(80 << 20), "cat/a.jpg": b"x"})
        extract_images(archive, into, limits=GENEROUS)
        assert files_below(into) == ["cat/a.jpg"]


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(50), b"\x1f\x8b\x08" + bytes(50)])
    def test_no_archive(self, tmp_path, into, content):
        archive = tmp_path / "a.zip"
        archive.write_bytes(content)
        assert refusal(archive, into) in ("not_an_archive", "damaged_archive")

    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "w:zst"])
    def test_half_a_tar(self, tmp_path, into, mode):
        archive = tarred(tmp_path / "a.tar", [("cat/a.jpg", os.urandom(50_000))], mode=mode)
        archive.write_bytes(archive.read_bytes()[:25_000])
        assert refusal(archive, into) == "damaged_archive"

    def test_a_wrong_checksum(self, tmp_path, into):
        archive = zipped(tmp_path / "a.zip", {"cat/a.jpg": b"original"}, compression=zipfile.ZIP_STORED)
        archive.write_bytes(archive.read_bytes().replace(b"original", b"tampered", 1))
        assert refusal(archive, into) == "damaged_archive"
