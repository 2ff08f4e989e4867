from datetime import timedelta

import pytest
import typer

from supercycle.cli.durations import duration_text, read_duration


class TestRead:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("3600", 3600),
            ("1.5", 1.5),
            ("45s", 45),
            ("90m", 5400),  # 90 · 60
            ("12h", 43_200),  # 12 · 3600
            ("1h30m", 5400),
            ("1.5h", 5400),
            ("2d", 172_800),  # 2 · 86,400
        ],
    )
    def test_units(self, text, seconds):
        assert read_duration(text) == timedelta(seconds=seconds)

    @pytest.mark.parametrize("text", ["", "h", "12x", "-3", "1h 30m", "nan", "inf", "1e3", "12h5", "³"])
    def test_what_is_none(self, text):
        with pytest.raises(typer.BadParameter, match="is no duration; give 12h"):
            read_duration(text)

    def test_what_no_clock_can_hold(self):
        with pytest.raises(typer.BadParameter, match="longer than anything runs"):
            read_duration("999999999999d")


class TestText:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0 s"),
            (6, "6 s"),
            (1.5, "1.5 s"),
            (43_200, "12 h"),
            (5400, "1 h 30 min"),
            (90_061, "1 d 1 h 1 min 1 s"),  # 86,400 + 3600 + 60 + 1
        ],
    )
    def test_leaves_out_what_is_nought(self, seconds, text):
        assert duration_text(timedelta(seconds=seconds)) == text
