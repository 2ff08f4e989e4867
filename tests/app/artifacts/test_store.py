"""The artifact store on a local folder."""

import os

import pytest

from app.artifacts.store import CHUNK_BYTES, ArtifactStore, StoreUnavailable


@pytest.fixture
def store(tmp_path):
    return ArtifactStore((tmp_path / "a store").as_uri())  # the space must survive the URL


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

    def test_it_lies_where_the_url_says(self, store, put, tmp_path):
        put("jobs/1/a", b"x")
        assert (tmp_path / "a store" / "jobs" / "1" / "a").read_bytes() == b"x"

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

    def test_more_than_one_page_of_keys(self, store, tmp_path):
        folder = tmp_path / "a store" / "many"
        folder.mkdir(parents=True)
        for number in range(1500):
            (folder / str(number)).touch()
        store.delete_below("many/")
        assert not store.exists("many/0")
        assert not store.exists("many/1499")


class TestPing:
    def test_a_folder_answers(self, store):
        store.ping()

    def test_a_server_that_is_not_there(self, monkeypatch, free_port):
        for name, value in {
            "AWS_ENDPOINT": f"http://127.0.0.1:{free_port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StoreUnavailable):
            ArtifactStore("s3://bucket").ping()
