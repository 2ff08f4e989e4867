"""A folder becomes the same bytes whoever packs it and whenever, and is never held whole."""

import io
import os
import tarfile
import tracemalloc

import pytest

from supercycle.uploads import Reader, upload_of

MIB = 1 << 20


@pytest.fixture
def pets(tmp_path):
    """Class folders, and beside them what is left out."""
    root = tmp_path / "pets"
    files = {
        "dog/2.png": b"two",
        "dog/1.png": b"one",
        "cat/a name of more than a hundred letters, with an é in it " + "x" * 80 + ".png": b"y" * 1025,
        "cat/deep/3.png": b"",
        "notes.txt": b"a note",
        ".DS_Store": b"hidden",
        ".git/config": b"hidden",
        "__MACOSX/cat/1.png": b"hidden",
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "empty").mkdir()
    return root


def packed(upload):
    return b"".join(upload.pieces())


class TestFolders:
    def test_what_is_packed(self, pets):
        upload = upload_of(pets)
        with tarfile.open(fileobj=io.BytesIO(packed(upload))) as archive:
            members = {member.name: member for member in archive}
            assert archive.extractfile(members["dog/2.png"]).read() == b"two"
        assert list(members) == [
            "notes.txt",
            "cat",
            f"cat/a name of more than a hundred letters, with an é in it {'x' * 80}.png",
            "cat/deep",
            "cat/deep/3.png",
            "dog",
            "dog/1.png",
            "dog/2.png",
            "empty",
        ]
        assert (upload.name, upload.files, upload.left_out) == ("pets.tar", 5, {"hidden": 3})

    def test_the_length_is_known_before(self, pets):
        upload = upload_of(pets)
        assert upload.size == len(packed(upload))

    def test_times_owners_modes_and_the_order_on_the_disk_make_no_difference(self, pets, tmp_path):
        before = packed(upload_of(pets))
        again = tmp_path / "again" / "pets"
        for path in sorted(pets.rglob("*"), reverse=True):
            if path.is_file():
                copy = again / path.relative_to(pets)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
                copy.chmod(0o600)
                os.utime(copy, (1, 1))
        (again / "empty").mkdir()
        assert packed(upload_of(again)) == before

    def test_links(self, pets, tmp_path):
        (tmp_path / "outside.png").write_bytes(b"outside")
        (pets / "dog" / "3.png").symlink_to(tmp_path / "outside.png")
        (pets / "dog" / "4.png").symlink_to(tmp_path / "nowhere.png")
        (pets / "lion").symlink_to(pets / "cat")
        os.mkfifo(pets / "dog" / "5.png")
        upload = upload_of(pets)
        with tarfile.open(fileobj=io.BytesIO(packed(upload))) as archive:
            assert archive.extractfile("dog/3.png").read() == b"outside"
            assert not {"dog/4.png", "dog/5.png", "lion"} & set(archive.getnames())
        assert upload.left_out == {"hidden": 3, "links to folders": 1, "no files": 2}

    def test_names_that_are_no_text(self, pets):
        (pets / "dog" / os.fsdecode(b"\xff.png")).write_bytes(b"x")
        upload = upload_of(pets)
        assert upload.size == len(packed(upload))

    @pytest.mark.parametrize("change", ["longer", "shorter", "one more", "one less"])
    def test_a_folder_that_changes_meanwhile_is_said(self, pets, change):
        upload = upload_of(pets)
        match change:
            case "longer":
                (pets / "dog" / "1.png").write_bytes(b"x" * 2000)
            case "shorter":
                (pets / "notes.txt").write_bytes(b"")
            case "one more":
                (pets / "dog" / "0.png").write_bytes(b"x")
            case _:
                (pets / "dog" / "1.png").unlink()
        with pytest.raises(OSError, match="changed while it was sent"):
            packed(upload)

    def test_one_that_cannot_be_listed_is_no_smaller_one(self, pets, monkeypatch):
        listed = os.scandir

        def scandir(path):
            if str(path).endswith("dog"):
                raise PermissionError(13, "Permission denied", str(path))
            return listed(path)

        monkeypatch.setattr(os, "scandir", scandir)
        with pytest.raises(PermissionError):
            upload_of(pets)

    def test_memory_does_not_grow_with_it(self, pets):
        with (pets / "dog" / "large.png").open("wb") as file:
            file.truncate(200 * MIB)
        tracemalloc.start()
        upload = upload_of(pets)
        reader = Reader(upload, report=lambda sent: None)
        while reader.read(1 << 16):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2 * MIB


class TestFiles:
    def test_as_they_are(self, tmp_path):
        (tmp_path / "pets.zip").write_bytes(b"PK-content")
        upload = upload_of(tmp_path / "pets.zip")
        assert (upload.name, upload.size, packed(upload)) == ("pets.zip", 10, b"PK-content")

    def test_what_is_neither(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FileNotFoundError, match="neither an archive nor a folder"):
            upload_of(tmp_path / "pipe")


class TestReader:
    @pytest.fixture
    def reader(self, tmp_path):
        (tmp_path / "x").write_bytes(bytes(range(256)) * 1000)
        self.reports = []
        return Reader(upload_of(tmp_path / "x"), report=self.reports.append)

    def test_from_the_beginning_again(self, reader):
        assert reader.read(5) == b"\0\1\2\3\4"
        assert reader.seek(0) == 0
        assert reader.read(3) == b"\0\1\2"
        assert self.reports == [5, 3]

    def test_its_end_is_its_length(self, reader):
        assert (reader.tell(), reader.seek(0, io.SEEK_END)) == (0, 256_000)

    def test_nowhere_else(self, reader):
        with pytest.raises(io.UnsupportedOperation):
            reader.seek(7)

    def test_at_the_end_nothing_more_is_reported(self, reader):
        while reader.read(100_000):
            pass
        assert self.reports == [100_000, 200_000, 256_000]
