"""What a fetch makes of a publisher that answers, breaks off, falls silent, or sends something else."""

import bz2
import hashlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from worker.datasets import retrieving
from worker.datasets.array_files import NPZ_NAME
from worker.datasets.errors import DownloadCorrupt, DownloadFailed
from worker.keeper.fetch import PREPARED, Line, Request, fetch


def usps(labels):
    """A file of USPS: a line for each image, label first, from 1."""
    dice = np.random.default_rng(len(labels))
    lines = []
    for label in labels:
        pixels = " ".join(f"{at + 1}:{value:.4f}" for at, value in enumerate(dice.uniform(-1, 1, 256)))
        lines.append(f"{label} {pixels}")
    return bz2.compress("\n".join(lines).encode())


FILES = {"usps.bz2": usps([1, 2, 3] * 10), "usps.t.bz2": usps([1, 2, 3] * 2)}


@pytest.fixture
def publisher():
    """Serves the files, or what a test puts into their place: bytes to send, and how many are promised."""
    answers = {name: (data, len(data)) for name, data in FILES.items()}
    asked, go_on = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            asked.append(name)
            if answers[name] is None:
                self.send_error(404)
                return
            data, promised = answers[name]
            self.send_response(200)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(data)
            if promised > len(data) + 1_000_000:  # silent for as long as the test wants
                self.wfile.flush()
                go_on.wait(60)

        def log_message(self, *arguments):
            """Keep the test's output readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.answers, server.asked = answers, asked
    yield server
    go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def point(publisher, monkeypatch):
    """Have torchvision ask a port on loopback."""
    from torchvision.datasets import USPS

    def to(port):
        monkeypatch.setattr(retrieving, "SILENCE_SECONDS", 0.5)
        for split, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
            md5 = hashlib.md5(FILES[name]).hexdigest()  # noqa: S324
            monkeypatch.setitem(USPS.split_list, split, [f"http://127.0.0.1:{port}/{name}", name, md5])

    to(publisher.server_port)
    return to


@pytest.fixture
def fetched(point, tmp_path):
    """Fetch it; what was said, and the folder that was worked in."""
    (tmp_path / "data").mkdir()

    def run(name="USPS"):
        folder = tmp_path / "work"
        folder.mkdir()
        said = io.StringIO()
        result = fetch(Request(name, str(tmp_path / "data"), str(folder)), Line(said))
        return result, [json.loads(line) for line in said.getvalue().splitlines()], folder

    return run


class TestDownload:
    def test_gives_arrays_with_both_splits(self, fetched):
        result, said, folder = fetched()
        with np.load(folder / PREPARED / NPZ_NAME) as arrays:
            assert arrays["x_train"].shape == (30, 16, 16)
            assert arrays["y_test"].tolist() == [0, 1, 2] * 2
            assert arrays["classes"].tolist() == ["0", "1", "2"]
        assert result["bytes"] == (folder / PREPARED / NPZ_NAME).stat().st_size
        assert [line["phase"] for line in said if "phase" in line] == ["downloading", "preparing"]
        size = len(FILES["usps.bz2"])
        assert {"note": f"Downloading usps.bz2, {size:,} bytes."} in said
        assert {"progress": [size, size]} in said

    def test_files_that_are_there_beforehand_are_taken(self, fetched, publisher, tmp_path):
        for name, data in FILES.items():
            (tmp_path / "data" / name).write_bytes(data)
        _, said, folder = fetched()
        assert publisher.asked == []
        assert (folder / PREPARED / NPZ_NAME).exists()
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted(FILES)
        assert {"note": "Its files were in the data folder already; nothing is downloaded."} in said

    def test_one_of_two_files_is_fetched(self, fetched, publisher, tmp_path):
        (tmp_path / "data" / "usps.t.bz2").write_bytes(FILES["usps.t.bz2"])
        _, _, folder = fetched()
        assert (folder / PREPARED / NPZ_NAME).exists()
        assert "usps.bz2" in publisher.asked


class TestFailures:
    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (None, "404"),
            ((FILES["usps.bz2"][:100], len(FILES["usps.bz2"])), "cut off after 100 bytes"),
            ((b"x" * 100, 10_000_000), "timed out"),
        ],
        ids=["missing", "cut off", "silent"],
    )
    def test_a_file_that_does_not_come(self, fetched, publisher, answer, words):
        publisher.answers["usps.bz2"] = answer
        with pytest.raises(DownloadFailed, match=words) as caught:
            fetched()
        assert "usps.bz2 did not come from 127.0.0.1" in caught.value.detail

    def test_nobody_there(self, fetched, point, free_port):
        point(free_port)
        with pytest.raises(DownloadFailed, match="refused"):
            fetched()

    def test_something_else(self, fetched, publisher):
        publisher.answers["usps.t.bz2"] = (b"another file", 12)
        with pytest.raises(DownloadCorrupt, match=r"usps\.t\.bz2 does not have the checksum"):
            fetched()
