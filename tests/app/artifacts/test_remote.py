"""A store on another machine that is down, frozen or refuses: said within seconds, with what to do."""

import os
import signal
import time

import httpx
import pytest

from app.artifacts.store import ArtifactStore, StoreUnavailable


def read_all(store):
    return b"".join(store.stream("k"))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"bytes")
    return tmp_path / "file"


def everything(path):
    """Every method that speaks to a store."""
    return {
        "put": lambda store: store.put("k", path),
        "stream": read_all,
        "fetch": lambda store: store.fetch("k", path.with_name("fetched")),
        "exists": lambda store: store.exists("k"),
        "pages": lambda store: list(store.pages("jobs/")),
        "delete": lambda store: store.delete(["k"]),
        "ping": lambda store: store.ping(),
    }


METHODS = sorted(everything(None))


class TestRefusals:
    @pytest.mark.parametrize("method", [name for name in METHODS if name not in ("stream", "fetch", "exists")])
    def test_a_bucket_that_is_not_there(self, s3_url, path, method):
        with pytest.raises(StoreUnavailable, match=r"NoSuchBucket\. Create the bucket, or correct SUPERCYCLE_STORAGE"):
            everything(path)[method](ArtifactStore("s3://no-such-bucket/x"))

    @pytest.mark.parametrize("method", METHODS)
    def test_a_key_that_is_not_known(self, s3_server, s3_url, path, method):
        store = ArtifactStore(s3_url)
        httpx.post(f"{s3_server.address}/moto-api/reset-auth", content=b"0").raise_for_status()
        try:
            with pytest.raises(StoreUnavailable) as caught:
                everything(path)[method](store)
        finally:
            httpx.post(f"{s3_server.address}/moto-api/reset-auth", content=b"inf").raise_for_status()
        # The answer to a HEAD has no words.
        wanted = "AccessDenied" if method in ("stream", "fetch", "exists") else "InvalidAccessKeyId"
        assert caught.value.detail == f"The storage of files refuses: {wanted}."
        assert caught.value.hint

    @pytest.mark.parametrize("url", ["s3://", "gopher://x/y", "nonsense"])
    def test_an_address_that_is_none(self, url):
        with pytest.raises(ValueError, match="SUPERCYCLE_STORAGE_URL must look like"):
            ArtifactStore(url)


class TestSilence:
    @pytest.mark.parametrize("method", METHODS)
    def test_a_server_that_is_down(self, s3_url, monkeypatch, free_port, path, method):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"does not answer\. See whether it runs") as caught:
            everything(path)[method](ArtifactStore(s3_url))
        assert time.monotonic() - began < 5
        assert str(free_port) not in str(caught.value)

    def test_a_server_that_is_frozen(self, s3_server, s3_url):
        store, began = ArtifactStore(s3_url), time.monotonic()
        s3_server.process.send_signal(signal.SIGSTOP)
        os.waitpid(s3_server.process.pid, os.WUNTRACED)  # until then one of its threads may still answer
        try:
            with pytest.raises(StoreUnavailable):
                store.ping()
        finally:
            s3_server.process.send_signal(signal.SIGCONT)
        assert 4 < time.monotonic() - began < 10  # READ_TIMEOUT is 5 s

    def test_without_tls_only_where_it_is_asked_for(self, s3_url, monkeypatch):
        monkeypatch.setenv("AWS_ALLOW_HTTP", "false")
        with pytest.raises(StoreUnavailable):
            ArtifactStore(s3_url).ping()


class TestLargeFiles:
    def test_come_in_parts(self, s3_url, tmp_path):
        (tmp_path / "large").write_bytes(bytes(range(256)) * (20 << 12))
        store = ArtifactStore(s3_url)
        store.put("large", tmp_path / "large")
        store.fetch("large", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()
        assert store.is_remote


class TestPrefix:
    @pytest.mark.parametrize("prefix", ["", "/", "/a", "/a/", "/a/b c"])
    def test_keys_lie_below_it_and_beside_nothing(self, s3_url, path, prefix):
        bucket = s3_url.rpartition("/")[0]
        store, beside = ArtifactStore(bucket + prefix), ArtifactStore(f"{bucket}/another")
        store.put("jobs/job_1/k", path)
        assert [found.key for page in store.pages("jobs/") for found in page] == ["jobs/job_1/k"]
        assert not beside.exists("jobs/job_1/k")
        store.delete_below("jobs/")
        assert not store.exists("jobs/job_1/k")
