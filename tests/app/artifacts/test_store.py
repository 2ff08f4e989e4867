"""The artifact store on a local folder and on S3."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from app.artifacts.store import CHUNK_BYTES, ArtifactStore


@pytest.fixture
def store(storage_url):
    return ArtifactStore(storage_url)  # the space must survive the URL


@pytest.fixture
def put(store, tmp_path):
    def write(key, data):
        (tmp_path / "source").write_bytes(data)
        store.put(key, tmp_path / "source")

    return write


def read(store, key, **span):
    return b"".join(store.stream(key, **span))


class TestBytes:
    @pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
    def test_there_and_back(self, store, put, size):
        data = os.urandom(size)
        put("jobs/job_1/1/a.bin", data)
        assert read(store, "jobs/job_1/1/a.bin") == data

    @pytest.mark.parametrize(("start", "end"), [(0, 10), (5, 6), (90, 100), (7, 7), (50, None)])
    def test_a_range(self, store, put, start, end):
        data = bytes(range(100))
        put("k", data)
        assert read(store, "k", start=start, end=end) == data[start:end]

    def test_a_large_file_comes_in_chunks(self, store, put):
        data = os.urandom(20 << 20)
        put("large", data)
        chunks = list(store.stream("large"))
        assert {len(chunk) for chunk in chunks} == {CHUNK_BYTES}
        assert b"".join(chunks) == data

    def test_what_is_not_there(self, store):
        assert not store.exists("nothing")
        with pytest.raises(FileNotFoundError):
            read(store, "nothing")


class TestDelete:
    def test_everything_below_and_nothing_beside(self, store, put):
        keys = ["jobs/job_1/1/a.png", "jobs/job_1/2/deep/b.png", "jobs/job_10/1/a.png", "models/job_1/c"]
        for key in keys:
            put(key, b"x")
        store.delete_below("jobs/job_1/")
        assert [key for key in keys if store.exists(key)] == ["jobs/job_10/1/a.png", "models/job_1/c"]

    def test_where_nothing_is(self, store):
        store.delete_below("jobs/job_1/")

    def test_what_is_gone_already(self, store, put):
        put("a", b"x")
        store.delete(["gone", "a", "never/was"])
        assert not store.exists("a")

    def test_more_than_one_page_of_keys(self, store, put, monkeypatch):
        monkeypatch.setattr("app.artifacts.store.PAGE_OBJECTS", 10)
        for number in range(25):
            put(f"many/{number}", b"")
        assert [len(page) for page in store.pages("many/")] == [10, 10, 5]
        store.delete_below("many/")
        assert list(store.pages("many/")) == []


class TestFetch:
    def test_into_a_file(self, store, put, tmp_path):
        data = os.urandom(CHUNK_BYTES + 7)
        put("checkpoints/job_1/1/a", data)
        store.fetch("checkpoints/job_1/1/a", tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == data

    def test_what_is_not_there(self, store, tmp_path):
        with pytest.raises(FileNotFoundError):
            store.fetch("nothing", tmp_path / "a")


class TestPages:
    def test_tell_when_each_was_stored(self, store, put):
        put("jobs/job_1/1/a", b"x")
        [[found]] = store.pages("jobs/")
        assert found.key == "jobs/job_1/1/a"
        assert abs(found.stored_at - datetime.now(UTC)) < timedelta(seconds=10)

    def test_nothing_below(self, store):
        assert list(store.pages("jobs/")) == []


class TestPing:
    def test_it_answers(self, store):
        store.ping()
