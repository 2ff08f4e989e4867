"""The picture of a data set: which classes and images it shows, and where each of them stands."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from worker.keeper.content import Content
from worker.keeper.preview import COLUMNS, ROWS, SIDE, Gallery, evenly

LEFT, TOP, STEP = 190, 6, SIDE + 6  #: of the first picture, and to the next one
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def content(labels, classes, marks=None):
    return Content(classes, labels, marks or bytearray(len(labels)), "none", str)


def single(colour, size=(8, 8), form="PNG", mode="RGB"):
    file = BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(file, form)
    return file.getvalue()


def at(sheet, row, column, *, right=SIDE // 2, down=SIDE // 2):
    return sheet.getpixel((LEFT + column * STEP + right, TOP + row * STEP + down))


def ink(sheet, row):
    """How many pixels of the label of a row are not white."""
    label = sheet.crop((0, TOP + row * STEP, LEFT, TOP + row * STEP + SIDE)).convert("L")
    return sum(label.histogram()[:200])


@pytest.fixture
def preview(checked, tmp_path):
    """The picture that a check of these files leaves."""

    def draw(files, **asked):
        found = checked(files, preview=str(tmp_path / "preview.png"), **asked)
        assert found["state"] == "ready", found["report"]["problems"]
        with Image.open(tmp_path / "preview.png") as opened:
            return opened.copy()

    return draw


class TestEvenly:
    @pytest.mark.parametrize(
        ("count", "most", "expected"),
        [(0, 3, []), (2, 3, [0, 1]), (3, 3, [0, 1, 2]), (9, 3, [0, 3, 6]), (10, 4, [0, 2, 5, 7])],
    )
    def test_takes_from_all_of_them(self, count, most, expected):
        assert evenly(range(count), most) == expected


class TestRows:
    def test_a_class_each_with_its_images_from_both_splits(self):
        gallery = Gallery.of(content([0, 1, 0, 1, 1], ["cat", "dog"], bytearray([0, 0, 0, 0, 1])))
        assert [(row.name, row.images, row.places) for row in gallery.rows] == [
            ("cat", "2 images", [0, 2]),
            ("dog", "3 images, 1 to test", [1, 3, 4]),
        ]
        assert gallery.places == [0, 1, 2, 3, 4]

    def test_one_image_is_no_plural(self):
        assert Gallery.of(content([0], ["cat"])).rows[0].images == "1 image"

    def test_many_classes_and_images_are_thinned_out_evenly(self):
        labels = [label for label in range(100) for _ in range(80)]
        gallery = Gallery.of(content(labels, [f"class {label}" for label in range(100)]))
        assert [row.name for row in gallery.rows] == [f"class {label}" for label in range(0, 100, 5)]
        assert len(gallery.rows) == ROWS
        assert gallery.rows[1].places == [400 + 10 * number for number in range(COLUMNS)]


class TestPicture:
    def test_of_files_has_every_class_in_its_row(self, preview):
        files = {f"cat/{number}.png": single(RED) for number in range(2)}
        files |= {f"dog/{number}.png": single(GREEN) for number in range(3)}
        sheet = preview(files)
        assert [at(sheet, 0, column) for column in range(3)] == [RED, RED, (255, 255, 255)]
        assert [at(sheet, 1, column) for column in range(4)] == [GREEN, GREEN, GREEN, (255, 255, 255)]
        assert ink(sheet, 0) > 50
        assert ink(sheet, 1) > 50

    def test_of_folders_in_one_more_folder_with_a_split(self, preview):
        files = {f"pets/{split}/cat/0.png": single(RED, size=(4 + len(split), 4)) for split in ("train", "test")}
        files |= {f"pets/{split}/dog/0.png": single(BLUE, size=(4 + len(split), 4)) for split in ("train", "test")}
        sheet = preview(files)
        assert [at(sheet, row, 1) for row in (0, 1)] == [RED, BLUE]

    @pytest.mark.parametrize("channels", [(), (1,), (3,)])
    @pytest.mark.parametrize("is_test", [False, True])
    def test_of_arrays_shows_the_right_places(self, preview, channels, is_test):
        labels = np.repeat([0, 1, 2], 3000)
        levels = np.array([10, 120, 230], dtype=np.uint8)[labels]
        images = np.broadcast_to(levels.reshape(-1, 1, 1, *[1] * len(channels)), (9000, 6, 6, *channels))
        file = BytesIO()
        test = {"x_test": images[::3000], "y_test": labels[::3000]} if is_test else {}
        np.savez(file, x_train=images, y_train=labels, **test)
        sheet = preview({"a.npz": file.getvalue()})
        expected = [[(level,) * 3] * COLUMNS for level in (10, 120, 230)]
        assert [[at(sheet, row, column) for column in range(COLUMNS)] for row in range(3)] == expected

    def test_keeps_proportions_and_shows_small_pixels_as_they_are(self, preview):
        wide = Image.new("RGB", (4, 2), RED)
        wide.paste(BLUE, (0, 0, 2, 2))
        file = BytesIO()
        wide.save(file, "PNG")
        sheet = preview({"a/0.png": file.getvalue(), "b/0.png": single(GREEN)})
        assert at(sheet, 0, 0, down=2) == (255, 255, 255)  # above it, for it is twice as wide as high
        assert at(sheet, 0, 0, right=SIDE // 2 - 1) == BLUE
        assert at(sheet, 0, 0, right=SIDE // 2) == RED

    @pytest.mark.parametrize(("form", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "P"), ("PNG", "RGBA")])
    def test_of_every_form(self, preview, form, mode):
        files = {f"{kind}/0.img.{form.lower()}": single(GREEN, (900, 600), form, mode) for kind in ("a", "b")}
        expected = (150, 150, 150) if mode == "L" else GREEN
        assert all(abs(a - b) < 4 for a, b in zip(at(preview(files), 0, 0), expected, strict=True))

    @pytest.mark.parametrize("name", ["Кошка", "a" * 200, "犬 🐕"])
    def test_of_any_name(self, preview, name):
        assert ink(preview({f"{name}/0.png": single(RED), "z/0.png": single(BLUE)}), 0) > 20

    def test_says_how_many_classes_are_not_shown(self, preview):
        few = preview({f"class {number:02}/0.png": single(RED) for number in range(ROWS)})
        many = preview({f"class {number:02}/0.png": single(RED) for number in range(ROWS + 1)})
        assert many.height > few.height == TOP + STEP * ROWS
        assert sum(many.crop((0, few.height, LEFT, many.height)).convert("L").histogram()[:200]) > 30

    def test_what_was_left_out_is_not_shown(self, preview, of_classes):
        files = of_classes(cat=100, dog=100) | {"cat/0.png": b"no picture"}
        assert preview(files, on_bad_file="skip").height == TOP + STEP * 2

    def test_there_is_none_of_what_did_not_pass(self, checked, tmp_path):
        assert checked({"cat/0.png": single(RED)}, preview=str(tmp_path / "p"))["state"] == "invalid"
        assert not (tmp_path / "p").exists()
