"""Arrays that lie or bite: npz of pickles, false shapes, strange types and bombs; IDX files that are none."""

import gzip
import io
import pickle
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from tests.worker.datasets.hostile import raw_tar, raw_zip
from tests.worker.datasets.hostile.entry import Entry, entry

MIB = 1 << 20
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 0, 1])


class Bite:
    """What a pickle would run."""

    def __reduce__(self):
        return (print, ("bitten",))


def npy(array: object, *, allow: bool = True) -> bytes:
    """As numpy saves it."""
    target = io.BytesIO()
    np.save(target, array, allow_pickle=allow)
    return target.getvalue()


def raw(
    header: str | bytes, data: bytes = b"", *, version: tuple[int, int] = (1, 0), length: int | None = None
) -> bytes:
    """Field by field."""
    text = header if isinstance(header, bytes) else header.encode()
    form = "<H" if version == (1, 0) else "<I"
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, len(text) if length is None else length) + text + data


def shaped(shape: str, *, descr: str = "'|u1'", order: str = "False", data: bytes = b"") -> bytes:
    """A header of three fields, each of which may be anything."""
    return raw(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}", data)


def npz(images: bytes, labels: bytes | None = None, **others: bytes) -> bytes:
    """A zip of arrays."""
    files = {"images": images, "labels": npy(LABELS) if labels is None else labels} | others
    return raw_zip.zipped(*[raw_zip.Part(f"{name}.npy".encode(), data) for name, data in files.items()])


PIXELS = IMAGES.tobytes()
#: What stands for the images, and what is said of it.
LYING = {
    "nothing": (b"", "unreadable_array"),
    "no magic": (b"NUMPY", "unreadable_array"),
    "a version of none": (raw("{}", version=(9, 9)), "unreadable_array"),
    "version 3": (raw("{}", version=(3, 0)), "unreadable_array"),
    "a header cut off": (raw("{'descr'", length=500), "unreadable_array"),
    "a header of 4 GiB": (raw("{}", version=(2, 0), length=2**32 - 1), "unreadable_array"),
    "a header of 20 KB": (shaped("(6, 4, 5)" + " " * 20_000, data=PIXELS), "unreadable_array"),
    "a header of no keys": (raw("{}"), "unreadable_array"),
    "a header of more keys": (
        shaped("(6,), 'x': 1"),
        "unreadable_array",
    ),
    "a call": (shaped("__import__('os').getpid()"), "unreadable_array"),
    "a comprehension": (shaped("[x for x in (1,)]"), "unreadable_array"),
    "9,000 brackets": (shaped("(" * 9_000), "unreadable_array"),
    "9,000 signs": (shaped("-" * 9_000 + "1"), "unreadable_array"),
    "9,000 lists": (shaped("[" * 4_500 + "]" * 4_500), "unreadable_array"),
    "9,000 digits": (shaped(f"({'9' * 9_000},)"), "unreadable_array"),
    "4,000 digits": (shaped(f"({'9' * 4_000}, 4, 5)"), "array_too_large"),
    "a null byte": (
        shaped("(6, 4, \0 5)", data=PIXELS),
        "unreadable_array",
    ),
    "no UTF-8": (raw(b"{'descr': '|u1\xff', 'fortran_order': False, 'shape': (6, 4, 5), }"), "unreadable_array"),
    "a shape of words": (shaped("(6, 4, 'x')"), "unreadable_array"),
    "a shape that is no tuple": (shaped("[6, 4, 5]", data=PIXELS), "unreadable_array"),
    "a negative shape": (shaped("(6, -4, 5)", data=PIXELS), "empty_array"),
    "two negative lengths": (shaped("(6, -4, -5)", data=PIXELS), "empty_array"),
    "a negative count": (shaped("(-6, 4, 5)", data=PIXELS), "empty_array"),
    "no images": (shaped("(0, 4, 5)"), "empty_array"),
    "images without pixels": (shaped("(6, 0, 5)"), "empty_array"),
    "a single number": (shaped("()", data=b"x"), "empty_array"),
    "10^9 images": (shaped("(1000000000, 4, 5)", data=PIXELS), "array_too_large"),
    "an image of 16 GB": (shaped("(6, 40000, 400000)", data=PIXELS), "array_too_large"),
    "2^64 bytes": (shaped("(4294967296, 4294967296)", data=PIXELS), "array_too_large"),
    "1 TB in all": (shaped("(9999999, 300, 400)", data=PIXELS), "array_too_large"),
    "2 GB from a few hundred bytes": (shaped("(900000, 50, 50)", data=PIXELS), "array_too_large"),
    "one image too many": (shaped("(7, 4, 5)", data=PIXELS), "length_mismatch", "unreadable_array"),
    "one pixel too few": (shaped("(6, 4, 5)", data=PIXELS[:-1]), "unreadable_array"),
    "one pixel too many": (shaped("(6, 4, 5)", data=PIXELS + b"x"), "unreadable_array"),
    "one dimension": (shaped("(6,)", data=PIXELS[:6]), "wrong_shape"),
    "2 channels": (shaped("(6, 4, 5, 2)", data=PIXELS * 2), "wrong_shape"),
    "32 dimensions": (shaped("(6" + ", 1" * 31 + ")", data=PIXELS[:6]), "wrong_shape"),
    "column order": (npy(np.asfortranarray(IMAGES)), "column_order"),
    "column order that is no truth": (shaped("(6, 4, 5)", order="2", data=PIXELS), "unreadable_array"),
    "objects": (npy(np.array([None] * 6, dtype=object)), "object_array"),
    "objects that bite": (npy(np.array([Bite()] * 6, dtype=object)), "object_array"),
    "a pickle": (pickle.dumps(Bite()), "unreadable_array"),
    "records": (npy(np.zeros((6, 4, 5), dtype=[("a", "u1")])), "object_array"),
    "records of objects": (npy(np.zeros(6, dtype=[("a", "O")])), "object_array"),
    "records within records": (shaped("(6, 4, 5)", descr="[('a', [('b', '|u1')])]", data=PIXELS), "object_array"),
    "arrays within arrays": (shaped("(6, 4, 5)", descr="'(1,)u1'", data=PIXELS), "wrong_type", "unreadable_array"),
    "complex numbers": (npy(IMAGES.astype(complex)), "wrong_type"),
    "times": (npy(IMAGES.astype("m8[s]")), "wrong_type"),
    "text": (npy(np.full((6, 4, 5), "x")), "wrong_type"),
    "bytes": (npy(np.full((6, 4, 5), b"x")), "wrong_type"),
    "nothing at all for each": (shaped("(6, 4, 5)", descr="'|V0'"), "empty_array", "unreadable_array"),
    "voids": (shaped("(6, 4, 5)", descr="'|V4'", data=PIXELS * 4), "wrong_type"),
    "a type of none": (shaped("(6, 4, 5)", descr="'|x9'", data=PIXELS), "unreadable_array"),
    "a type of 2^31 bytes": (
        shaped("(6, 4, 5)", descr="'|S2147483647'", data=PIXELS),
        "array_too_large",
        "unreadable_array",
    ),
    "infinities": (npy(np.full((6, 4, 5), np.inf)), "not_finite"),
    "no numbers": (npy(np.full((6, 4, 5), np.nan)), "not_finite"),
    "negative numbers": (npy(IMAGES.astype(np.int16) - 300), "out_of_range"),
    "numbers above 255": (npy(IMAGES.astype(np.uint64) + 2**63), "out_of_range"),
}
LABELS_LYING = {
    "negative": (npy(LABELS - 5), "bad_label"),
    "of 2^63": (npy(np.array([2**63] * 6, dtype=np.uint64)), "bad_label"),
    "fractions": (npy(LABELS + 0.5), "wrong_type"),
    "objects that bite": (npy(np.array([Bite()] * 6, dtype=object)), "object_array"),
    "one-hot": (npy(np.eye(6, dtype=np.uint8)), "wrong_shape"),
    "too many": (npy(np.arange(7)), "length_mismatch"),
    "one class": (npy(LABELS * 0), "too_few_classes"),
}
NAMES_LYING = {
    "objects that bite": (npy(np.array([Bite(), Bite()], dtype=object)), "object_array"),
    "with control characters": (npy(np.array(["cat\x1b[31m", "dog"])), "unsafe_name"),
    "right to left": (npy(np.array(["cat\u202e", "dog"])), "unsafe_name"),
    "the same": (npy(np.array(["cat", "cat"])), "unsafe_name"),
    "too long": (npy(np.array(["cat", "d" * 201])), "unsafe_name"),
    "empty": (npy(np.array(["cat", ""])), "unsafe_name"),
    "no text": (npy(np.array([1, 2])), "wrong_type"),
    "no UTF-8": (npy(np.array([b"\xff", b"dog"])), "unsafe_name"),
}


def _npz() -> Iterator[Entry]:
    for name, (data, *codes) in LYING.items():
        yield entry(f"npz: {name}", npz(data), *codes)
    for name, (data, *codes) in LABELS_LYING.items():
        yield entry(f"npz: labels {name}", npz(npy(IMAGES), data), *codes)
    for name, (data, *codes) in NAMES_LYING.items():
        yield entry(f"npz: class names {name}", npz(npy(IMAGES), classes=data), *codes)
    yield entry("npz: labels far apart", npz(npy(IMAGES), npy(LABELS * 2**40)))
    many = npz(npy(np.zeros((50_001, 2, 2), np.uint8)), npy(np.arange(50_001)))
    yield entry("npz: a class for each of 50,001 images", many, "too_many_classes")
    for name, array in {
        "big-endian": IMAGES.astype(">u2"),
        "little-endian": IMAGES.astype("<u2"),
        "booleans": IMAGES > 99,
    }.items():
        yield entry(f"npz: {name}", npz(npy(array)))
    bomb = zlib.compressobj(9, wbits=-15)
    head = shaped("(100000, 40, 40)")
    packed = bomb.compress(head) + b"".join(bomb.compress(bytes(MIB)) for _ in range(153)) + bomb.flush()
    part = raw_zip.Part(b"images.npy", head, packed=packed, size=len(head) + 153 * MIB)
    yield entry(
        "npz: 153 MiB of zeros, too few labels",
        raw_zip.zipped(part, raw_zip.Part(b"labels.npy", npy(LABELS))),
        "length_mismatch",
    )
    same = [
        raw_zip.Part(b"images.npy", npy(IMAGES)),
        raw_zip.Part(b"images.npy", npy(IMAGES)),
        raw_zip.Part(b"labels.npy", npy(LABELS)),
    ]
    yield entry("npz: two arrays of a name", raw_zip.zipped(*same), "ambiguous_arrays")
    packed = raw_zip.Part(b"images.npy", npy(IMAGES), method=12)
    yield entry("npz: packed by bzip2", raw_zip.zipped(packed, same[2]), "unsupported_archive")
    yield entry(
        "npz: names of 60 KB", raw_zip.zipped(raw_zip.Part(b"x" * 60_000 + b".npy", npy(IMAGES))), "no_training_split"
    )
    yield entry(
        "npz: a name that leads out", raw_zip.zipped(raw_zip.Part(b"../images.npy", npy(IMAGES))), "no_training_split"
    )
    yield entry(
        "npz: encrypted", raw_zip.zipped(raw_zip.Part(b"images.npy", npy(IMAGES), flags=1), same[2]), "unreadable_array"
    )
    yield entry("npz: cut off", npz(npy(IMAGES))[:-30], "damaged_archive")
    yield entry(
        "npz: wrong checksum",
        raw_zip.zipped(raw_zip.Part(b"images.npy", npy(IMAGES), crc=1), same[2]),
        "unreadable_array",
    )


def idx(data: bytes, *lengths: int, magic: bytes = b"\0\0\x08", dimensions: int | None = None) -> bytes:
    """Field by field."""
    count = len(lengths) if dimensions is None else dimensions
    return magic + bytes([count]) + struct.pack(f">{len(lengths)}I", *lengths) + data


def mnist(images: bytes, labels: bytes | None = None, *, suffix: str = "") -> bytes:
    """A pair of IDX files in a tar."""
    labels = idx(LABELS.astype(np.uint8).tobytes(), 6) if labels is None else labels
    names = f"train-images-idx3-ubyte{suffix}", "train-labels-idx1-ubyte"
    return raw_tar.good(dict(zip(names, (images, labels), strict=True))) + raw_tar.END


IDX_LYING = {
    "nothing": (b"", "unreadable_array"),
    "a magic of none": (idx(PIXELS, 6, 4, 5, magic=b"\1\0\x08"), "unreadable_array"),
    "another type": (idx(PIXELS, 6, 4, 5, magic=b"\0\0\x0d"), "unreadable_array"),
    "a type of none": (idx(PIXELS, 6, 4, 5, magic=b"\0\0\xff"), "unreadable_array"),
    "255 dimensions": (idx(PIXELS, 6, 4, 5, dimensions=255), "unreadable_array"),
    "255 dimensions of one": (idx(PIXELS, *[1] * 255), "wrong_shape"),
    "255 dimensions of 2^32": (idx(PIXELS, *[2**32 - 1] * 255), "array_too_large"),
    "no dimensions": (idx(PIXELS), "empty_array"),
    "lengths of zero": (idx(b"", 6, 0, 5), "empty_array"),
    "2^32 images": (idx(PIXELS, 2**32 - 1, 4, 5), "array_too_large"),
    "images of 2^64": (idx(PIXELS, 6, 2**32 - 1, 2**32 - 1), "array_too_large"),
    "one image too many": (idx(PIXELS, 7, 4, 5), "length_mismatch"),
    "one image too few": (idx(PIXELS, 5, 4, 5), "length_mismatch"),
    "one pixel too few": (idx(PIXELS[1:], 6, 4, 5), "unreadable_array"),
    "one pixel too many": (idx(PIXELS + b"x", 6, 4, 5), "unreadable_array"),
    "a header cut off": (idx(b"", 6, 4, dimensions=3), "unreadable_array"),
}


def _idx() -> Iterator[Entry]:
    for name, (data, *codes) in IDX_LYING.items():
        yield entry(f"idx: {name}", mnist(data), *codes)
    yield entry("idx: no gzip, though called so", mnist(idx(PIXELS, 6, 4, 5), suffix=".gz"), "unreadable_array")
    packed = gzip.compress(idx(PIXELS, 6, 4, 5))
    yield entry("idx: gzip cut off", mnist(packed[:-20], suffix=".gz"), "unreadable_array")
    yield entry(
        "idx: gzip of a wrong checksum", mnist(packed[:-8] + b"abcd" + packed[-4:], suffix=".gz"), "unreadable_array"
    )
    yield entry(
        "idx: 100 MiB of zeros in gzip",
        lambda _: mnist(gzip.compress(idx(bytes(100 * MIB), 6, 4, 5), 1), suffix=".gz"),
        "unreadable_array",
    )
    yield entry(
        "idx: images without labels",
        raw_tar.good({"train-images-idx3-ubyte": idx(PIXELS, 6, 4, 5)}) + raw_tar.END,
        "missing_array",
    )
    twice = {f"{folder}/train-images-idx3-ubyte": idx(PIXELS, 6, 4, 5) for folder in "ab"}
    yield entry("idx: images twice", raw_tar.good(twice) + raw_tar.END, "ambiguous_arrays")
    yield entry("idx: labels negative", mnist(idx(PIXELS, 6, 4, 5), idx(bytes(6), 6)), "too_few_classes")


def entries() -> Iterator[Entry]:
    """All of them."""
    yield from _npz()
    yield from _idx()
