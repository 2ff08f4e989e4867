from io import StringIO

import pytest
from rich.console import Console

from supercycle.cli import transfers
from supercycle.cli.transfers import transfer_bars, upload_progress


@pytest.fixture
def screen():
    return Console(file=StringIO(), force_terminal=True, width=80, color_system=None)


class TestBars:
    def test_one_per_file_with_its_bytes(self, screen):
        with transfer_bars(screen, as_json=False) as progress:
            progress("weights.safetensors", 0, 4_000_000)
            progress("weights.safetensors", 3_000_000, 4_000_000)
            progress("config.json", 10, None)
        drawn = screen.file.getvalue()
        assert "3.0/4.0 MB" in drawn
        assert "weights.safetensors" in drawn
        assert "10/? bytes" in drawn

    def test_names_cannot_steer_the_terminal(self, screen):
        with transfer_bars(screen, as_json=False) as progress:
            progress("\x1b[31m[bold]x", 1, 1)
        assert "?[31m[bold]x" in screen.file.getvalue()

    def test_none_where_a_program_reads(self, screen):
        with transfer_bars(screen, as_json=True) as progress:
            assert progress is None
        assert screen.file.getvalue() == ""

    def test_none_where_there_is_no_terminal(self):
        with transfer_bars(Console(file=StringIO()), as_json=False) as progress:
            assert progress is None


class TestUploads:
    def test_a_bar_on_a_terminal(self, screen):
        with upload_progress(screen, as_json=False) as progress:
            progress("pets.tar", 3_000_000, 4_000_000)
        assert "3.0/4.0 MB" in screen.file.getvalue()

    def test_lines_now_and_then_elsewhere(self, monkeypatch):
        clock, screen = iter([0, 1, 6, 7, 8]), Console(file=StringIO())
        monkeypatch.setattr(transfers.time, "monotonic", lambda: next(clock))
        with upload_progress(screen, as_json=False) as progress:
            for sent in (1_000_000, 2_000_000, 3_000_000, 4_000_000):
                progress("pets\x1b.tar", sent, 4_000_000)
        assert screen.file.getvalue() == "pets?.tar: 50 % of 4 MB sent\npets?.tar: 100 % of 4 MB sent\n"

    def test_nothing_where_a_program_reads(self, screen):
        with upload_progress(screen, as_json=True) as progress:
            assert progress is None
