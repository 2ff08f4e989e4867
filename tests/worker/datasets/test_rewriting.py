"""What torchvision gives becomes class folders that the check reads."""

import pytest
from PIL import Image
from torchvision.datasets import FER2013

from worker.datasets.class_folders import read_class_folders
from worker.datasets.rewriting import safe_name, unique_names
from worker.keeper.fetch import PREPARED, Line, Request, fetch


@pytest.fixture
def rewritten(tmp_path):
    """The class folders of a set whose files were there beforehand."""

    def run(name):
        (tmp_path / "work").mkdir()
        with (tmp_path / "said").open("w") as said:
            fetch(Request(name, str(tmp_path / "data"), str(tmp_path / "work")), Line(said))
        found = read_class_folders(tmp_path / "work" / PREPARED)
        assert found.problems == []
        return found

    return run


def picture(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (level, 0, 0)).save(path)
    return path


class TestFolders:
    def test_pictures_in_files_are_linked(self, rewritten, tmp_path):
        folder = tmp_path / "data" / "eurosat" / "2750"
        for kind in ("Forest", "River"):
            for number in range(3):
                picture(folder / kind / f"{kind}_{number}.jpg", 40 * number)
        found = rewritten("EuroSAT")
        assert found.classes == ["Forest", "River"]
        assert len(found.train.paths) == 6
        assert found.test.paths == []
        linked = found.root / found.train.paths[0]
        assert linked.samefile(folder / "Forest" / linked.name)

    def test_what_is_no_picture_is_left_for_the_check_to_find(self, rewritten, tmp_path):
        folder = tmp_path / "data" / "eurosat" / "2750"
        for kind in ("Forest", "River"):
            picture(folder / kind / "a.jpg", 9)
        (folder / "River" / "b.jpg").write_bytes(b"no picture")
        assert "River/b.jpg" in rewritten("EuroSAT").train.paths

    def test_pictures_in_a_table_are_saved_under_the_names_of_their_classes(self, rewritten, tmp_path, monkeypatch):
        monkeypatch.setitem(FER2013._RESOURCES, "fer", ("fer2013.csv", None))
        rows = [f"{label},{' '.join([str(label)] * 2304)},{usage}" for label, usage in
                ((0, "Training"), (3, "Training"), (3, "Training"), (0, "PublicTest"), (3, "PrivateTest"))]  # fmt: skip
        (tmp_path / "data" / "fer2013").mkdir(parents=True)
        (tmp_path / "data" / "fer2013" / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]))
        found = rewritten("FER2013")
        assert found.classes == ["angry", "happy"]
        assert (len(found.train.paths), len(found.test.paths)) == (3, 2)
        with Image.open(found.root / found.train.paths[-1]) as image:
            assert (image.size, image.getpixel((0, 0))) == ((48, 48), 3)

    def test_nothing_of_the_operators_folder_is_changed(self, rewritten, tmp_path):
        for kind in ("Forest", "River"):
            picture(tmp_path / "data" / "eurosat" / "2750" / kind / "a.jpg", 9)
        before = sorted(tmp_path.joinpath("data").rglob("*"))
        rewritten("EuroSAT")
        assert sorted(tmp_path.joinpath("data").rglob("*")) == before


class TestNames:
    @pytest.mark.parametrize(
        ("name", "safe"),
        [("F/A-18", "F-A-18"), ("..", "unnamed"), (".hidden", "hidden"), ("a\nb", "a_b"), (" cat ", "cat"),
         ("/x/y/", "x-y"), ("é" * 200, "é" * 100), ("", "unnamed")],
    )  # fmt: skip
    def test_can_be_folders(self, name, safe):
        assert safe_name(name) == safe

    def test_stay_apart(self):
        assert unique_names(["crane", "cat", "Crane"]) == ["crane (0)", "cat", "Crane (2)"]
