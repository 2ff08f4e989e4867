"""Pictures that are too large, damaged, of other formats, or strange, each in a set that is good but for them."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from tests.worker.datasets.hostile import raw_zip
from tests.worker.datasets.hostile.entry import Entry, entry, png, saved
from tests.worker.datasets.hostile.raw_pictures import MIB, chunk, in_a_set, photo, raw_png, tiff, zeros


def _too_large() -> Iterator[Entry]:
    yield entry(
        "PNG: 144 megapixels in 17 KiB",
        lambda _: in_a_set(raw_png(12_000, 12_000, depth=1, pixels=zeros(12_000 * 1501))),
        "image_too_large",
    )
    yield entry("PNG: 51 megapixels", in_a_set(raw_png(51_000, 1000)), "image_too_large")
    yield entry("PNG: as large as can be said", in_a_set(raw_png(2**31 - 1, 2**31 - 1)), "image_too_large")
    yield entry(
        "PNG: larger than can be said", in_a_set(raw_png(2**32 - 1, 2**32 - 1)), "image_too_large", "unreadable_image"
    )
    yield entry("PNG: a line of 2^31", in_a_set(raw_png(2**31 - 1, 1)), "image_too_large")
    jpeg = bytearray(saved(photo(), "JPEG"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 65_500, 65_500)
    yield entry("JPEG: 4 gigapixels", in_a_set(bytes(jpeg)), "image_too_large")
    bmp = bytearray(saved(photo(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 100_000, -100_000)
    yield entry("BMP: 10 gigapixels, upside down", in_a_set(bytes(bmp)), "image_too_large")
    frame = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (16_383).to_bytes(3, "little") * 2
    frame += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    yield entry(
        "WebP: a canvas of 268 megapixels",
        in_a_set(b"RIFF" + struct.pack("<I", len(frame) + 4) + b"WEBP" + frame),
        "image_too_large",
        "unreadable_image",
    )
    huge = [
        (256, 4, 1, 100_000),
        (257, 4, 1, 100_000),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 9),
    ]
    yield entry("TIFF: 10 gigapixels", in_a_set(tiff(huge)), "image_too_large")


def _tiffs() -> Iterator[Entry]:
    size = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    strip = [(273, 4, 1, 200), (278, 4, 1, 8), (279, 4, 1, 64)]
    plain = tiff(size + strip).ljust(200, b"\0") + bytes(64)
    yield entry("TIFF: as it should be", in_a_set(plain))
    lies = {
        "tag of 4 billion": [*size, *strip, (305, 2, 2**32 - 1, 100)],
        "4 billion strips": [*size, (273, 4, 2**32 - 1, 100), (278, 4, 1, 8), (279, 4, 2**32 - 1, 100)],
        "strip beyond the end": [*size, (273, 4, 1, 2**31), (278, 4, 1, 8), (279, 4, 1, 64)],
        "no strips": size,
        "no size": strip,
        "size of none": [(256, 4, 1, 0), (257, 4, 1, 0), *size[2:], *strip],
        "65,535 samples": [*size, *strip, (277, 3, 1, 65_535)],
        "depth of 65,535": [*size[:2], (258, 3, 1, 65_535), *size[3:], *strip],
        "compression of none": [*size[:3], (259, 3, 1, 60_000), (262, 3, 1, 1), *strip],
        "type of none": [*size, *strip, (256, 99, 1, 8)],
        "tiles of 4 billion": [
            *size,
            (322, 4, 1, 2**32 - 1),
            (323, 4, 1, 2**32 - 1),
            (324, 4, 1, 200),
            (325, 4, 1, 64),
        ],
    }
    for name, tags in lies.items():
        codes = () if name in ("tag of 4 billion", "type of none") else ("unreadable_image", "image_too_large")
        yield entry(f"TIFF: {name}", in_a_set(tiff(tags).ljust(200, b"\0") + bytes(64)), *codes)
    circle = bytearray(plain)
    circle[8 + 2 + 12 * 8 : 8 + 2 + 12 * 8 + 4] = struct.pack("<I", 8)
    yield entry("TIFF: a directory that follows itself", in_a_set(bytes(circle)))
    packed = zeros(40 * MIB)
    bomb = [
        (256, 4, 1, 8),
        (257, 4, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (278, 4, 1, 8),
        (279, 4, 1, len(packed)),
    ]
    yield entry("TIFF: a strip of 40 MiB of zeros for 64 pixels", in_a_set(tiff(bomb).ljust(200, b"\0") + packed))
    for name, mode in {"integers of 32 bits": "I", "floats": "F"}.items():
        yield entry(f"TIFF: {name}", in_a_set(saved(Image.new(mode, (8, 8), 1), "TIFF")), "unreadable_image")
    for form in ("TIFF", "PNG"):
        yield entry(f"{form}: of other axes", in_a_set(saved(photo(), form)[:-60]), "unreadable_image")


def _damaged() -> Iterator[Entry]:
    jpeg = saved(photo(), "JPEG")
    for place in [
        2,
        4,
        11,
        20,
        21,
        100,
        163,
        200,
        300,
        500,
        *(len(jpeg) * number // 10 for number in range(3, 10)),
        len(jpeg) - 2,
    ]:
        yield entry(f"JPEG: cut off after {place} bytes", in_a_set(jpeg[:place]), "unreadable_image")
    progressive = saved(photo(), "JPEG", progressive=True)
    for number in range(1, 9):
        place = len(progressive) * number // 9
        yield entry(f"progressive JPEG: cut off after {place} bytes", in_a_set(progressive[:place]), "unreadable_image")
    whole = {
        form: saved(photo(), form, **options)
        for form, options in {"PNG": {}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {}}.items()
    }
    for form, data in whole.items():
        for number in (0, 1, 4, 7):
            place = max(7, len(data) * number // 8)
            yield entry(f"{form}: cut off after {place} bytes", in_a_set(data[:place]), "unreadable_image")
    yield entry(
        "PNG: wrong checksum of its head",
        in_a_set(raw_png(8, 8, extra=chunk(b"gAMA", b"\0\0\xb1\x8f", crc=1))),
        "unreadable_image",
    )
    spoilt = bytearray(whole["PNG"])
    spoilt[-20] ^= 1
    yield entry("PNG: wrong checksum of its pixels", in_a_set(bytes(spoilt)), "unreadable_image")
    yield entry("PNG: no pixels", in_a_set(raw_png(8, 8)), "unreadable_image")
    yield entry("PNG: size of none", in_a_set(raw_png(0, 0, pixels=zlib.compress(b""))), "unreadable_image")
    yield entry(
        "PNG: depth of none", in_a_set(raw_png(8, 8, depth=3, pixels=zlib.compress(bytes(80)))), "unreadable_image"
    )
    yield entry(
        "PNG: a filter of none", in_a_set(raw_png(8, 8, pixels=zlib.compress(b"\x09" + bytes(71)))), "unreadable_image"
    )
    yield entry("PNG: a chunk of 4 GiB", in_a_set(raw_png(8, 8)[:33] + b"\xff\xff\xff\xffIDAT"), "unreadable_image")
    yield entry("nothing at all", in_a_set(b""), "unreadable_image")
    yield entry("one byte", in_a_set(b"\xff"), "unreadable_image")
    yield entry("zeros", in_a_set(bytes(5000)), "unreadable_image")
    yield entry("text", in_a_set(b"a cat, sitting on a mat"), "unreadable_image")
    yield entry(
        "LFS pointer",
        in_a_set(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64),
        "unreadable_image",
    )


def _bombs() -> Iterator[Entry]:
    pixels = zlib.compress(bytes(9 * 8))
    text = chunk(b"zTXt", b"comment\0\0" + zeros(40 * MIB))
    yield entry("PNG: zTXt of 40 MiB", in_a_set(raw_png(8, 8, pixels=pixels, extra=text)), "unreadable_image")
    text = chunk(b"iTXt", b"comment\0\1\0\0\0" + zeros(40 * MIB))
    yield entry("PNG: iTXt of 40 MiB", in_a_set(raw_png(8, 8, pixels=pixels, extra=text)), "unreadable_image")
    small = chunk(b"zTXt", b"c\0\0" + zeros(MIB - 9))
    yield entry(
        "PNG: 70 of zTXt of 1 MiB", in_a_set(raw_png(8, 8, pixels=pixels, extra=small * 70)), "unreadable_image"
    )
    profile = chunk(b"iCCP", b"profile\0\0" + zeros(40 * MIB))
    yield entry("PNG: profile of 40 MiB", in_a_set(raw_png(8, 8, pixels=pixels, extra=profile)), "unreadable_image")
    yield entry("PNG: 40 MiB of pixels for 64", in_a_set(raw_png(8, 8, pixels=zeros(40 * MIB))))
    exif = chunk(b"eXIf", tiff([(256, 4, 2**32 - 1, 2**31)] * 5000))
    yield entry("PNG: absurd EXIF", in_a_set(raw_png(8, 8, pixels=pixels, extra=exif)))
    frames = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    yield entry("PNG: 2 billion frames", in_a_set(raw_png(8, 8, pixels=pixels, extra=frames)))


def _other_formats() -> Iterator[Entry]:
    icon = saved(Image.new("RGB", (16, 16)), "ICO")
    texts = {
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "SVG of entities": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>',
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(%pipe%id) (r) file\n",
        "PDF": b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>endobj",
        "HTML": b"<html><script>alert(1)</script>",
        "PHP": b"<?php system('id');",
        "PSD": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3),
        "MVG": b"push graphic-context\nimage over 0,0 0,0 'label:@/etc/passwd'",
        "XPM": b'/* XPM */\nstatic char *x[] = {"1 1 1 1", "a c #000"};',
        "FITS": b"SIMPLE  =                    T" + b" " * 2850,
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(90),
        "Python": b"import os; os.system('id')",
        "program": b"\x7fELF" + bytes(90),
        "icon": icon,
        "shell": b"#!/bin/sh\nreboot\n",
        "pickle": b"cos\nsystem\n(S'id'\ntR.",
        "HEIC": b"\0\0\0\x18ftypheic" + bytes(90),
        "AVIF": b"\0\0\0\x1cftypavif" + bytes(90),
    }
    for name, data in texts.items():
        yield entry(f"{name} called a JPEG", in_a_set(data), "unreadable_image")
    for form in ("GIF", "PPM", "TGA", "ICNS", "JPEG2000", "PCX", "SGI", "DDS"):
        image = Image.new("RGB", (16, 16), (1, 2, 3))
        yield entry(f"{form} called a JPEG", in_a_set(saved(image, form)), "unreadable_image")
    frames = [Image.new("L", (8, 8), level) for level in range(5)]
    animated = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield entry("animated GIF called a PNG", in_a_set(animated, "cat/x.png"), "unreadable_image")


def _strange() -> Iterator[Entry]:
    """What is read, as the page on data sets says."""
    rgb = photo((8, 8))
    frames = [rgb.rotate(90 * number) for number in range(3)]
    for form in ("PNG", "WEBP", "TIFF"):
        yield entry(f"animated {form}", in_a_set(saved(rgb, form, save_all=True, append_images=frames)))
    palette = rgb.quantize(7)
    yield entry("PNG: palette with transparency", in_a_set(saved(palette, "PNG", transparency=b"\x00\x80")))
    short = chunk(b"PLTE", b"\1\2\3")
    yield entry(
        "PNG: palette shorter than its pixels",
        in_a_set(raw_png(8, 8, colour=3, pixels=zlib.compress(bytes([0] + [200] * 8) * 8), extra=short)),
    )
    yield entry("PNG: palette of none", in_a_set(raw_png(8, 8, colour=3, pixels=zlib.compress(bytes(72)))))
    yield entry("PNG: 16 bits", in_a_set(saved(Image.fromarray(np.full((8, 8), 65_535, np.uint16)), "PNG")))
    yield entry(
        "PNG: 16 bits of colour", in_a_set(raw_png(8, 8, depth=16, colour=2, pixels=zlib.compress(bytes(49 * 8))))
    )
    yield entry("PNG: one bit", in_a_set(png(1, mode="1")))
    yield entry("PNG: a line of one pixel", in_a_set(png(size=(1, 5000))))
    yield entry("JPEG: CMYK", in_a_set(saved(rgb.convert("CMYK"), "JPEG")))
    yield entry("JPEG: grey", in_a_set(saved(rgb.convert("L"), "JPEG")))
    turned = Image.Exif()
    turned[274] = 200
    yield entry("JPEG: turned by 200", in_a_set(saved(rgb, "JPEG", exif=turned)))
    absurd = b"Exif\0\0" + tiff(
        [(0x8769, 4, 1, 8), (0x8825, 4, 2**31, 2**31), (0x0100, 99, 2**32 - 1, 2**32 - 1)] * 900
    )
    yield entry("JPEG: absurd EXIF", in_a_set(saved(rgb, "JPEG", exif=absurd)))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield entry("JPEG: broken profile", in_a_set(saved(rgb, "JPEG", icc_profile=profile[:200] + b"\xff" * 60_000)))
    yield entry("JPEG: a zip behind it", in_a_set(saved(rgb, "JPEG") + raw_zip.zipped(*raw_zip.good())))
    yield entry("PNG: script in a text", in_a_set(saved(rgb, "PNG", pnginfo=_script())))
    yield entry("TIFF: CMYK", in_a_set(saved(rgb.convert("CMYK"), "TIFF")))
    yield entry("TIFF: LAB", in_a_set(saved(rgb.convert("LAB"), "TIFF")))
    yield entry(
        "PNG: too few pixels, packed whole, the others black", in_a_set(raw_png(8, 8, pixels=zlib.compress(bytes(9))))
    )
    yield entry("JPEG called a PNG", in_a_set(saved(rgb, "JPEG"), "cat/x.png"))


def _script() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "<script>alert(1)</script>")
    return info


def entries() -> Iterator[Entry]:
    """All of them, each named as what it is."""
    for group in (_too_large, _tiffs, _damaged, _bombs, _other_formats, _strange):
        for found in group():
            yield Entry(f"picture: {found.name}", found.make, found.codes)
