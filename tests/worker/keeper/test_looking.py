"""With helpers the check says what it says without: of every picture, in the same order."""

import json
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.helping import count_helpers, python
from tests.worker.datasets.hostile.corpus import entries_of
from worker.datasets import crew
from worker.datasets.archives import ArchiveLimits, take_in
from worker.datasets.errors import Problem, Refused
from worker.keeper import looking
from worker.keeper.check import Request, _verdict, check_dataset
from worker.keeper.looking import Picture, look, look_at_all


@pytest.fixture
def helped(monkeypatch):
    """With helpers from the second picture on; says how often they were started."""
    return count_helpers(monkeypatch, looking, at_once=3)


class TestSums:
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_are_those_of_the_pixels(self, tmp_path, make_unlike, mode):
        (tmp_path / "a.png").write_bytes(make_unlike(1, mode=mode, size=(30, 20)))
        pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(np.int64)
        found = look(str(tmp_path), "a.png")
        assert found.sums == pixels.sum(axis=(0, 1)).tolist()
        assert found.squares == (pixels**2).sum(axis=(0, 1)).tolist()

    def test_of_the_largest_picture_do_not_run_into_each_other(self):
        white = [0] * 255 + [looking.MAX_PIXELS]
        assert looking._sums(white) == ([255 * looking.MAX_PIXELS] * 3, [255**2 * looking.MAX_PIXELS] * 3)


class TestEquality:
    @pytest.mark.filterwarnings("ignore")  # as in the check
    def test_of_every_hostile_picture(self, tmp_path, helped):
        for number, entry in enumerate(entries_of("pictures")):
            upload, folder = tmp_path / "upload", tmp_path / "set" / str(number)
            upload.write_bytes(entry.make(tmp_path))
            folder.mkdir(parents=True)
            try:
                take_in(upload, folder, limits=ArchiveLimits())
            except Refused:  # as an archive: none of its pictures is looked at
                continue
        paths = sorted(str(path.relative_to(tmp_path / "set")) for path in (tmp_path / "set").rglob("*.*"))
        found = list(look_at_all(str(tmp_path / "set"), paths))
        assert found == [look(str(tmp_path / "set"), path) for path in paths]
        assert sum(isinstance(one, Problem) for one in found) > 20
        assert sum(isinstance(one, Picture) for one in found) > 100
        assert len(helped) == 1

    @pytest.mark.parametrize("asked", [{}, {"on_bad_file": "skip"}])
    def test_of_verdict_and_preview(self, tmp_path, of_classes, make_unlike, monkeypatch, asked, request):
        files = of_classes(cat=90, dog=70) | {
            f"fox/{number}.png": make_unlike(number, mode="RGB") for number in range(40)
        }
        files |= {"cat/twin.png": files["cat/0.png"], "dog/twin.png": files["cat/0.png"]}
        files |= {"dog/broken.png": b"broken", "cat/half.png": files["cat/1.png"][:60]}
        for path, data in files.items():
            (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / path).write_bytes(data)

        def checked(name):
            (tmp_path / name).write_bytes(b"")
            asking = Request(str(tmp_path / "set"), None, cpu_seconds=60, preview=str(tmp_path / name), **asked)
            return json.dumps(check_dataset(asking)), (tmp_path / name).read_bytes()

        with monkeypatch.context() as patch:
            patch.setattr(crew.os, "cpu_count", lambda: 1)
            before = checked("alone.png")
        started = request.getfixturevalue("helped")
        assert checked("helped.png") == before
        assert json.loads(before[0])["state"] == ("ready" if asked else "invalid")
        assert len(started) == 1


class TestSmallSets:
    def test_start_no_process(self, checked, balanced, monkeypatch):
        monkeypatch.setattr(crew.os, "cpu_count", lambda: 64)
        monkeypatch.setattr(looking, "Helpers", lambda module: pytest.fail("started"))
        assert checked(balanced)["state"] == "ready"


class TestMemory:
    def test_what_is_too_much_for_a_helper_is_looked_at_without(self, tmp_path):
        """Each helper has a fourth, 225 MiB: enough for itself, but not for a palette of 25 megapixels as well."""
        Image.new("P", (5000, 5000)).save(tmp_path / "wide.png")
        said = printed(
            "import resource; crew.count = lambda: 4; "
            "resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20)); from worker.keeper import looking; "
            f"two = crew.Helpers(looking.__name__); print(two.ask([{str(tmp_path)!r}, ['wide.png']]).result()); "
            "two.__exit__(None, None, None); "
            f"print([found.width for found in looking.look_at_all({str(tmp_path)!r}, ['wide.png'] * 3)])"
        )
        assert said == ["[None]", "[5000, 5000, 5000]"]

    def test_what_is_too_much_for_the_check_is_its_verdict(self, tmp_path, checked, balanced, helped, monkeypatch):
        def look_with_little(root, path):
            if path == "dog/9.png":
                raise MemoryError
            return look(root, path)

        monkeypatch.setattr(looking, "look", look_with_little)
        assert checked(balanced)["state"] == "ready"  # helpers had enough for it
        (tmp_path / "set" / "dog" / "9.png").write_bytes(b"broken")
        verdict = _verdict(Request(str(tmp_path / "set"), None, cpu_seconds=60))
        assert [problem["code"] for problem in verdict["report"]["problems"]] == ["check_out_of_memory"]


def printed(code):
    """The lines that it writes."""
    return subprocess.run(
        python(code), stdin=subprocess.PIPE, capture_output=True, text=True, check=True
    ).stdout.splitlines()
