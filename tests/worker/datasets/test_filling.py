"""With helpers the cache holds the same bytes as without, and ends as it did: stopped, damaged, or lost."""

import os
import subprocess
import sys
import time

import pytest

from tests.helping import await_children, await_gone, children_of, count_helpers, python, slow_png
from worker.datasets import crew, filling
from worker.datasets.class_folders import read_class_folders
from worker.datasets.errors import DatasetInvalid
from worker.engine.errors import Stopped
from worker.engine.events import Stop


@pytest.fixture
def varied(make_folder, make_picture):
    """Two classes of pictures of many sizes and modes, with a test split."""
    files = {}
    for number in range(80):
        kind, mode = ("cat", "dog")[number % 2], ("L", "RGB")[number % 3 // 2]
        colour = number * 3 if mode == "L" else (number * 3, number, 255 - number)
        split = "test" if number % 5 == 4 else "train"
        files[f"{split}/{kind}/{number}.png"] = make_picture(colour, size=(8 + number % 4, 8 + number % 7), mode=mode)
    return make_folder(files, "varied")


@pytest.fixture
def helped(monkeypatch):
    """With helpers from the second piece on; says how often they were started."""
    return count_helpers(monkeypatch, filling, at_once=7)


def contents_of(folder):
    """Every file of the one entry in a cache."""
    (entry,) = folder.iterdir()
    return {path.name: path.read_bytes() for path in entry.iterdir()}


class TestEquality:
    @pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_of_what_is_cached(self, opened, as_source, varied, tmp_path, mode, resize, request):
        source = as_source(varied, mode=mode, side=8)
        before = opened(source, resize=resize).version
        (tmp_path / "cache").rename(tmp_path / "alone")
        started = request.getfixturevalue("helped")
        assert opened(source, resize=resize).version == before
        assert contents_of(tmp_path / "cache") == contents_of(tmp_path / "alone")
        assert len(started) == 1


class TestProgress:
    def test_rises_to_the_end(self, opened, as_source, varied, helped):
        seen = []
        opened(as_source(varied), on_progress=lambda done, total: seen.append((done, total)))
        # 64 for training and 16 to test, in pieces of 7 that keep to a split
        assert [done for done, _ in seen] == [7, 14, 21, 28, 35, 42, 49, 56, 63, 64, 71, 78, 80]
        assert {total for _, total in seen} == {80}
        assert len(helped) == 1

    def test_a_small_set_starts_no_process(self, opened, as_source, varied, monkeypatch):
        monkeypatch.setattr(crew.os, "cpu_count", lambda: 64)
        monkeypatch.setattr(filling, "Helpers", lambda module: pytest.fail("started"))
        assert len(opened(as_source(varied)).dataset.train) == 64


class TestEnd:
    def test_when_it_is_stopped(self, opened, as_source, make_folder, helped, tmp_path, monkeypatch):
        monkeypatch.setattr(crew.Pace, "at_once", 1)
        slow = {f"{kind}/{number}.png": slow_png() for kind in ("cat", "dog") for number in range(60)}
        source, before, seen, pids = as_source(make_folder(slow)), children_of(os.getpid()), [], set()

        def stop(done, total):
            if helped:
                pids.update(await_children(os.getpid(), at_least=3) - before)
                seen.append(time.monotonic())
                raise Stopped(Stop.CANCEL)

        with pytest.raises(Stopped):
            opened(source, on_progress=stop)
        assert time.monotonic() - seen[0] < 5  # of the pictures that are left, 10 s and more
        await_gone(pids, seconds=0)
        assert len(pids) >= 3
        assert list((tmp_path / "cache").iterdir()) == []

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda path: path.write_bytes(b"broken"), "dog/61.png: It is not a picture"),
            (lambda path: path.unlink(), "files were changed, added or removed"),
            (lambda path: path.write_bytes(path.with_name("63.png").read_bytes()), "files were changed"),
        ],
    )
    def test_where_a_picture_is_no_more_what_was_checked(
        self, opened, as_source, varied, helped, tmp_path, spoil, said, monkeypatch
    ):
        source, spoilt = as_source(varied), varied / "train" / "dog" / "61.png"

        def listed(folder):
            found = read_class_folders(folder)
            spoil(spoilt)
            return found

        monkeypatch.setattr("worker.datasets.opening.read_class_folders", listed)
        with pytest.raises(DatasetInvalid, match=said):
            opened(source)
        assert list((tmp_path / "cache").iterdir()) == []
        assert len(helped) == 1

    def test_when_a_helper_is_lost(self, make_folder, tmp_path):
        slow = {f"{kind}/{number}.png": slow_png() for kind in ("cat", "dog") for number in range(60)}
        code = (
            "from pathlib import Path; from worker.datasets import cache, pictures, class_folders; "
            "crew.count = lambda: 2; "
            f"found = class_folders.read_class_folders(Path({str(make_folder(slow))!r})); "
            "train = pictures.FilePictures(found.root, found.train, 'L', 'crop'); "
            "contents = cache.Contents(found.classes, 'L', 8, {'train': train}, lambda: 'sha256:1'); "
            f"cache.build(Path({str(tmp_path / 'cache' / 'set')!r}), contents, on_progress=lambda *_: None)"
        )
        process = subprocess.Popen(python(code))
        pids = await_children(process.pid)
        os.kill(min(pids), 9)
        assert process.wait(30) == -9
        await_gone(pids)


class TestHelper:
    def test_is_small(self):
        heavy = "{'torch', 'sqlalchemy', 'fastapi', 'pydantic'}"
        code = f"import sys, worker.datasets.filling; print(sorted({heavy} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
