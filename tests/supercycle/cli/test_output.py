from io import StringIO

import pytest
from rich.console import Console

from supercycle.cli import output
from supercycle.cli.output import cell_text, print_facts, print_table

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"


class TestCells:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, "-"),
            (True, "yes"),
            (0, "0"),
            (0.0556511, "0.05565"),
            ([1, 2], "1, 2"),
            ({"name": "digits", "id": None, "version": None}, "digits"),
            ({"momentum": 0.9, "name": "sgd", "nesterov": False}, "sgd, momentum=0.9, nesterov=no"),
            ({"policy": "one_cycle", "up": None}, "one_cycle"),
            ({"epoch": 3, "validation_accuracy": 0.5}, "epoch=3, validation_accuracy=50.0 %"),
            ("two\nlines", "two lines"),
        ],
    )
    def test_are_for_people(self, value, text):
        assert cell_text(value) == text


class TestOnATerminal:
    @pytest.fixture
    def screen(self, monkeypatch):
        """A terminal of 80 columns."""
        text = StringIO()
        console = Console(file=text, force_terminal=True, width=80, color_system=None, highlight=False, soft_wrap=True)
        monkeypatch.setattr(output, "console", lambda: console)
        return text

    def test_an_id_stays_whole(self, screen):
        print_table(("id", "name", "created"), [[JOB_ID, "a long name " * 5, "2026-01-01T00:00:00Z"]])
        lines = screen.getvalue().splitlines()
        assert lines[1].startswith(JOB_ID)
        assert max(map(len, lines)) <= 80

    def test_nothing_is_cut_off_beside_an_id(self, screen):
        created = "2026-01-01T00:00:00Z"
        row = [JOB_ID, "range_test", "-", "cancelled", "range_test", "100 %", created]  # 89 columns wide, and gaps
        print_table(("id", "kind", "name", "state", "phase", "done", "created"), [row])
        head, *lines = screen.getvalue().splitlines()
        start = head.index("created")
        assert "".join(line[start:].strip() for line in lines) == created

    def test_a_long_value_goes_on_below_itself(self, screen):
        print_facts([("state", "failed"), ("reason", "because " * 15), ("model", None)])
        lines = [line.rstrip() for line in screen.getvalue().splitlines()]
        assert lines[0] == "state   failed"
        assert lines[1].startswith("reason  because")
        assert lines[2].startswith("        because")
        assert len(lines) == 3
