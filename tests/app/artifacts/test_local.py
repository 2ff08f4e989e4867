"""What is particular to artifacts in a local folder: where they lie, and what a killed put leaves there."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import timedelta

import pytest

from app.artifacts.store import ArtifactStore


@pytest.fixture
def store(tmp_path):
    return ArtifactStore((tmp_path / "a store").as_uri())


class TestPlace:
    def test_it_lies_where_the_url_says(self, store, tmp_path):
        (tmp_path / "source").write_bytes(b"x")
        store.put("jobs/1/a", tmp_path / "source")
        assert (tmp_path / "a store" / "jobs" / "1" / "a").read_bytes() == b"x"
        assert not store.is_remote


class TestKilledPut:
    """A put of a large file, killed in the middle."""

    @pytest.fixture
    def remains(self, store, tmp_path):
        """The file it leaves. The source is 8 GiB of nothing, which takes no room and seconds to copy."""
        with (tmp_path / "large").open("wb") as source:
            source.truncate(8 << 30)
        script = """
            import sys
            from pathlib import Path
            from app.artifacts.store import ArtifactStore
            ArtifactStore(sys.argv[1]).put("models/mdl_1/weights", Path(sys.argv[2]))
        """
        url = (tmp_path / "a store").as_uri()
        command = [sys.executable, "-c", textwrap.dedent(script), url, str(tmp_path / "large")]
        with subprocess.Popen(command) as process:
            folder = tmp_path / "a store" / "models" / "mdl_1"
            deadline = time.monotonic() + 30
            while not (folder.exists() and any(folder.iterdir())):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        [left] = folder.iterdir()
        return left

    def test_is_not_listed_and_is_swept_once_it_is_old(self, store, remains):
        assert not store.exists("models/mdl_1/weights")
        assert list(store.pages("models/")) == []
        assert store.delete_unfinished(older_than=timedelta(hours=1)) == []
        then = time.time() - 3601
        os.utime(remains, (then, then))
        assert store.delete_unfinished(older_than=timedelta(hours=1)) == [f"models/mdl_1/{remains.name}"]
        assert not remains.exists()

    def test_what_is_whole_stays(self, store, tmp_path):
        (tmp_path / "source").write_bytes(b"x")
        store.put("jobs/1/a", tmp_path / "source")
        then = time.time() - 10_000
        os.utime(tmp_path / "a store" / "jobs" / "1" / "a", (then, then))
        assert store.delete_unfinished(older_than=timedelta(hours=1)) == []
        assert store.exists("jobs/1/a")
