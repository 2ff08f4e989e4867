"""Pictures become squares; what is no whole picture is refused by name."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from worker.datasets.decoding import as_mode, as_square, fitted, is_grey, reading
from worker.datasets.errors import Refused


def huge_png(width, height):
    """A header that claims these sides, with next to nothing behind it."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"0"))]
    body = b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def decoded(data, mode):
    with reading(data, "a.png") as image:
        return np.asarray(as_mode(image, mode))


class TestModes:
    @pytest.mark.parametrize(
        ("mode", "colour", "target", "expected"),
        [
            ("L", 7, "L", 7),
            ("L", 7, "RGB", (7, 7, 7)),
            ("1", 1, "L", 255),
            ("LA", (9, 0), "L", 9),  # transparency is dropped
            ("RGBA", (1, 2, 3, 0), "RGB", (1, 2, 3)),
            ("RGB", (255, 0, 0), "L", 76),  # 255 · 0.299
            ("I;16", 0x1234, "L", 0x12),  # the upper 8 bits
            ("I;16", 0xFFFF, "L", 0xFF),
        ],
    )
    def test_pixels(self, make_picture, mode, colour, target, expected):
        pixels = decoded(make_picture(colour, mode=mode), target)
        assert pixels.dtype == np.uint8
        assert tuple(np.atleast_1d(pixels[0, 0])) == tuple(np.atleast_1d(expected))

    def test_a_transparent_palette(self):
        image = Image.new("P", (2, 2), 1)
        image.putpalette([0, 0, 0, 9, 8, 7])
        file = BytesIO()
        image.save(file, "PNG", transparency=b"\x00\x80")
        assert decoded(file.getvalue(), "RGB")[0, 0].tolist() == [9, 8, 7]

    @pytest.mark.parametrize(("mode", "grey"), [("L", True), ("1", True), ("I;16", True), ("RGB", False), ("P", False)])
    def test_is_grey(self, make_picture, mode, grey):
        with reading(make_picture(1 if mode != "RGB" else (1, 1, 1), mode=mode), "a.png") as image:
            assert is_grey(image) is grey


class TestSquares:
    def test_the_centre_of_the_longer_side_is_kept(self):
        image = Image.new("L", (12, 4), 0)
        image.paste(200, (4, 0, 8, 4))  # the middle third is the centre square
        assert np.asarray(as_square(image, "L", side=4, resize="crop")).tolist() == [[200] * 4] * 4

    @pytest.mark.parametrize("size", [(300, 200), (200, 300), (9, 9), (3, 50)])
    def test_every_size_ends_at_the_side(self, make_picture, size):
        with reading(make_picture((5, 6, 7), size=size, form="JPEG"), "a.jpg") as image:
            square = as_square(image, "RGB", side=16, resize="crop")
        assert square.size == (16, 16)
        assert np.abs(np.asarray(square, dtype=int) - (5, 6, 7)).max() <= 3  # JPEG is not exact


class TestPolicies:
    @pytest.mark.parametrize(
        ("resize", "rows"),
        [
            ("crop", [[7] * 4] * 4),  # the middle
            ("pad", [[0] * 4, [40, 7, 7, 90], [40, 7, 7, 90], [0] * 4]),  # all of it, between black bars
            ("stretch", [[40, 7, 7, 90]] * 4),
        ],
    )
    def test_what_becomes_of_the_longer_side(self, resize, rows):
        image = Image.new("L", (8, 4), 7)
        image.paste(40, (0, 0, 2, 4))
        image.paste(90, (6, 0, 8, 4))
        squared = np.asarray(fitted(image, side=4, resize=resize)).astype(int)
        assert np.abs(squared - rows).max() <= 20  # the filter reaches over edges
        assert (squared == 0).tolist() == [[value == 0 for value in row] for row in rows]

    @pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
    @pytest.mark.parametrize("size", [(1, 900), (900, 1), (1, 1), (16, 16), (17, 3)])
    def test_every_size_ends_at_the_side(self, resize, size):
        assert fitted(Image.new("RGB", size, (9, 8, 7)), side=16, resize=resize).size == (16, 16)

    @pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
    def test_a_square_is_left_as_it_is(self, resize):
        pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        np.testing.assert_array_equal(fitted(Image.fromarray(pixels), side=6, resize=resize), pixels)


class TestRefusals:
    @pytest.mark.parametrize(
        ("spoil", "code"),
        [
            (lambda data: b"hello", "unreadable_image"),
            (lambda data: b"", "unreadable_image"),
            (lambda data: data[: len(data) // 2], "unreadable_image"),
            (lambda data: huge_png(9_000, 9_000), "image_too_large"),  # 81 million
            (lambda data: huge_png(60_000, 60_000), "image_too_large"),
            (lambda data: huge_png(10, 10), "unreadable_image"),
        ],
    )
    def test_what_is_no_whole_picture(self, make_picture, spoil, code):
        data = spoil(make_picture(size=(64, 64), form="JPEG"))
        with pytest.raises(Refused) as refusal, reading(data, "cat/a.jpg") as image:
            image.load()
        assert (refusal.value.problem.code, refusal.value.problem.path) == (code, "cat/a.jpg")

    def test_formats_outside_the_list(self, make_picture):
        with pytest.raises(Refused, match="not a picture"), reading(make_picture(form="PPM"), "a.jpg"):
            pass

    def test_pixels_of_32_bits(self, make_picture):
        with pytest.raises(Refused, match="32 bits"):
            decoded(make_picture(1.5, mode="F", form="TIFF"), "L")
