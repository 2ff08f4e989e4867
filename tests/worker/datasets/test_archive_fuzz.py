"""Whatever is done to an archive, its check ends with a verdict, and writes nowhere but where it may."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.worker.datasets.hostile import raw_tar, raw_zip
from tests.worker.datasets.hostile.arrays import IMAGES, npy, npz
from tests.worker.datasets.hostile.entry import CAT, GOOD
from worker.datasets.archives import ArchiveLimits, extract_images
from worker.datasets.errors import Refused
from worker.keeper import check

#: Codes of checks that broke off instead of ending.
BROKEN_OFF = {"check_failed", "check_timed_out", "storage_full"}
SMALL = ArchiveLimits(members=40, member_bytes=1 << 16, total_bytes=1 << 18, ratio_free_bytes=1 << 17)
PHASES = [hypothesis.Phase.generate, hypothesis.Phase.shrink]

names = st.lists(
    st.sampled_from(
        [b"cat", b"dog", b"..", b".", b"", b"x.png", b"x.zip", b"C:", b"\\", b"\0", b"\xff", b"a" * 120, "é".encode()]
    ),
    min_size=1,
    max_size=5,
).map(b"/".join)
contents = st.sampled_from([b"", b"x", CAT, CAT[:40], bytes(70_000), npy(IMAGES)])
sizes = st.one_of(
    st.none(), st.integers(0, 1 << 33), st.sampled_from([b"\x80" + b"\xff" * 11, b"\xff" * 12, b" " * 12, b"abc"])
)
kinds = st.sampled_from(b"0000000123456LKSxgDMVZ").map(lambda number: bytes([number]))
records = st.dictionaries(
    st.sampled_from(
        [
            "path",
            "linkpath",
            "size",
            "hdrcharset",
            "mtime",
            "GNU.sparse.map",
            "GNU.sparse.size",
            "GNU.sparse.major",
            "GNU.sparse.minor",
            "GNU.sparse.name",
        ]
    ),
    st.one_of(names, st.integers(-9, 1 << 70).map(lambda number: b"%d" % number)),
    min_size=1,
)


@st.composite
def tar_parts(draw):
    """Headers, with a content or what should be one."""
    parts = []
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            parts.append(raw_tar.pax(draw(records), kind=draw(st.sampled_from([b"x", b"g"]))))
        size, data = draw(sizes), draw(contents)
        link = draw(st.sampled_from([b"", b"/etc/passwd", b"../x", b"x.png"]))
        parts.append(
            raw_tar.member(draw(names), data, kind=draw(kinds), link=link, **({} if size is None else {"size": size}))
        )
    return b"".join(parts)


numbers = st.one_of(st.none(), st.integers(0, 200), st.integers(0, (1 << 32) - 1))
zip_parts = st.builds(
    raw_zip.Part,
    name=names,
    data=contents,
    method=st.sampled_from([0, 8, 8, 8, 12, 99]),
    flags=st.sampled_from([0, 0, 0, 1, 8, 0x800]),
    mode=st.sampled_from([0o100644, 0o100644, 0o120777, 0o040755, 0]),
    crc=st.one_of(st.none(), st.none(), st.integers(0, 9)),
    offset=numbers,
    extra=st.sampled_from([b"", b"\1\0\4\0abcd", b"\1\0\xff\xff", b"\1\0\x08\0" + b"\xff" * 8]),
    listed_size=numbers,
    listed_packed_size=numbers,
    is_listed=st.sampled_from([True, True, True, False]),
)

tars = st.tuples(
    tar_parts(),
    st.sampled_from([b"", raw_tar.END, raw_tar.END + b"x"]),
    st.sampled_from(list(raw_tar.PACKERS.values())),
).map(lambda found: found[2](raw_tar.good() + found[0] + found[1]))
zips = st.lists(zip_parts, min_size=1, max_size=5).map(lambda parts: raw_zip.zipped(*raw_zip.good(), *parts))

WHOLE = [pack(raw_tar.tar()) for pack in raw_tar.PACKERS.values()]
WHOLE += [
    raw_zip.zipped(*raw_zip.good()),
    npz(npy(IMAGES)),
    raw_zip.zipped(*[raw_zip.Part(k.encode(), v) for k, v in GOOD.items()]),
]


@st.composite
def spoilt(draw):
    """A good one, of which a few bytes are others, or gone, or there twice."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([1, 1, 1, 2, 4, 60, 512]))
        match draw(st.integers(0, 4)):
            case 0:
                data[start : start + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del data[start : start + length]
            case 2:
                data[start:start] = data[start : start + length]
            case 3:
                data[start : start + length] = bytes([draw(st.sampled_from([0, 255, 47, 46, 80]))]) * length
            case _:
                del data[start:]
    return bytes(data)


archives = st.one_of(tars, zips, spoilt())


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for it, and no waiting for disks."""
    monkeypatch.setattr(os, "sync", lambda: None)
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path


def extract(archive: bytes, place: Path) -> None:
    """Nothing but plain files, within the limits, below the folder."""
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        upload, into = Path(scratch, "upload"), Path(scratch, "around", "into")
        upload.write_bytes(archive)
        into.mkdir(parents=True)
        with contextlib.suppress(Refused):  # as most are
            extract_images(upload, into, limits=SMALL)
        found = list(into.rglob("*"))
        assert all(path.is_dir() or path.is_file() for path in found if not path.is_symlink())
        assert not any(path.is_symlink() for path in found)
        assert sum(path.stat().st_size for path in found if path.is_file()) <= SMALL.most_bytes(upload) + (1 << 20)
        assert sorted(path.name for path in Path(scratch).iterdir()) == ["around", "upload"]
        assert [path.name for path in Path(scratch, "around").iterdir()] == ["into"]
    assert [path.name for path in place.iterdir()] == ["secret.txt"]


def judge(archive: bytes, place: Path) -> None:
    """The whole check, arrays and pictures too."""
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        upload, folder = Path(scratch, "upload"), Path(scratch, "sets", "ds")
        upload.write_bytes(archive)
        verdict = check._verdict(check.Request(str(folder), str(upload), 60, aside=str(folder.with_name("aside"))))
        codes = {problem["code"] for problem in verdict["report"]["problems"]}
        assert verdict["state"] == ("invalid" if codes else "ready")
        assert not codes & BROKEN_OFF
        assert [path.name for path in folder.parent.iterdir()] == ([] if codes else ["ds"])
        shutil.rmtree(folder.parent)
    assert (place / "secret.txt").read_text() == "secret"


def explore(action, place, **effort):
    """Run `action` on many archives."""
    effort |= {"deadline": None, "database": None, "suppress_health_check": list(hypothesis.HealthCheck)}

    @hypothesis.settings(phases=PHASES, **effort)
    @hypothesis.given(archive=archives)
    def each(archive):
        action(archive, place)

    each()


@pytest.mark.parametrize("action", [extract, judge])
class TestFuzz:
    def test_a_few(self, action, place):
        explore(action, place, max_examples=250, derandomize=True)

    @pytest.mark.verify
    def test_many(self, action, place):
        explore(action, place, max_examples=10_000)
