"""Attempts at one check do not meet: each has a folder, and the first that is done puts its files into place."""

import subprocess
import sys
import threading

import pytest

from worker.keeper.asides import Aside, is_abandoned, put_in_place, remove_abandoned

FILES = {"cat/a.png": b"cat", "dog/b.png": b"a dog"}


@pytest.fixture
def folder(tmp_path):
    """Where the set is to lie."""
    return tmp_path / "sets" / "ds_1"


def fill(place, files=FILES):
    for path, data in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)


def found(place):
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.fixture
def of_a_killed_keeper(folder):
    """What one leaves that had no time to tidy up."""
    code = "import os, sys; from pathlib import Path; from worker.keeper.asides import Aside; "
    code += "Aside(Path(sys.argv[1])).images.mkdir(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, folder], check=False)
    (place,) = folder.parent.iterdir()
    return place


class TestAttempts:
    def test_each_has_a_folder_of_its_own(self, folder):
        first, second = Aside(folder), Aside(folder)
        fill(first.images)
        second.remove()
        assert found(first.images) == FILES
        first.remove()
        assert list(folder.parent.iterdir()) == []

    def test_what_a_killed_keeper_left_is_removed_and_nothing_else(self, folder, of_a_killed_keeper):
        under_way, of_another_set = Aside(folder), folder.with_name("ds_12")
        of_another_set.mkdir()
        assert [is_abandoned(place) for place in (of_a_killed_keeper, under_way.images.parent)] == [True, False]
        remove_abandoned(folder)
        assert sorted(folder.parent.iterdir()) == sorted([under_way.images.parent, of_another_set])
        under_way.remove()


class TestPuttingInPlace:
    @pytest.fixture
    def images(self, folder):
        aside = Aside(folder)
        fill(aside.images)
        yield aside.images
        aside.remove()

    def test_is_a_rename(self, folder, images):
        put_in_place(images, folder)
        assert (found(folder), images.exists()) == (FILES, False)

    def test_one_that_was_first_is_left_as_it_is(self, folder, images):
        fill(folder)
        before = folder.stat().st_ino
        put_in_place(images, folder)
        assert (found(folder), folder.stat().st_ino) == (FILES, before)

    @pytest.mark.parametrize("rest", [{"cat/a.png": b"cat"}, {"cat/a.png": b"cat", "dog/b.png": b"a d"}])
    def test_one_that_is_not_whole_goes(self, folder, images, rest):
        fill(folder, rest)
        put_in_place(images, folder)
        assert found(folder) == FILES

    def test_of_many_at_once_one_is_first(self, folder):
        asides = [Aside(folder) for _ in range(8)]
        for aside in asides:
            fill(aside.images)
        threads = [threading.Thread(target=put_in_place, args=(aside.images, folder)) for aside in asides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found(folder) == FILES
        assert sum(aside.images.exists() for aside in asides) == 7
        for aside in asides:
            aside.remove()
