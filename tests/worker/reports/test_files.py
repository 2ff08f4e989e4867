"""The files of a report, made by the process that the keeper starts for it."""

import csv
import io
import json
import re
import subprocess
import tempfile

import pytest

from worker.keeper.children import kill, start
from worker.keeper.report_desk import CHILD
from worker.reports.documents import Page, Table, write_pages
from worker.reports.request import MEDIA_TYPES, Request

PICTURES = [f"{name}.{kind}" for name in ("comparison", "comparison_seconds", "learning_rate", "verdict")
            for kind in ("png", "svg")]  # fmt: skip


@pytest.fixture
def made():
    """What the process says last."""

    def make(folder):
        with tempfile.TemporaryFile() as output:
            process = start(CHILD, Request(str(folder)), output, environment={"MPLCONFIGDIR": str(folder)})
            try:
                assert process.wait(timeout=60) == 0
            finally:
                kill(process)
            output.seek(0)
            return json.loads(output.read().splitlines()[-1])

    return make


class TestComparison:
    def test_leaves_pages_tables_and_pictures(self, request_in, made):
        folder = request_in()
        result = made(folder)
        names = result.pop("files")
        assert sorted(names) == sorted([*PICTURES, "report.md", "report.html", "report.csv", "report.json"])
        for name in names:
            assert (folder / name).stat().st_size > 100
            assert folder.joinpath(name).suffix in MEDIA_TYPES
        whole = json.loads((folder / "report.json").read_text())
        assert whole.pop("curves")[0]["validation_accuracy"] == [0.5, 0.9]
        assert whole == result

    def test_the_table_has_every_training(self, request_in, made):
        folder = request_in()
        made(folder)
        rows = list(csv.DictReader(io.StringIO((folder / "report.csv").read_text())))
        assert [(row["arm"], row["seed"], row["state"]) for row in rows] == [
            *(("baseline", str(seed), "succeeded") for seed in range(3)),
            *(("one_cycle", str(seed), "succeeded") for seed in range(3)),
            ("linear", "0", "failed"),
        ]
        assert float(rows[1]["test_accuracy"]) == 0.91
        assert rows[-1]["error"] == "lr_diverged"

    def test_a_page_needs_nothing_beside_itself_and_shows_names_as_text(self, request_in, made):
        folder = request_in()
        made(folder)
        page = (folder / "report.html").read_text()
        assert "&lt;b&gt;mine&lt;/b&gt;" in page
        assert "It &lt;diverged&gt; | broke." in page
        assert page.count('src="data:image/png;base64,') == 4
        assert "http" not in page.replace("http-equiv", "")
        assert "(verdict.png)" in (folder / "report.md").read_text()


class TestTables:
    @pytest.fixture
    def cells(self, request_in, made):
        """A table of the page by its heading: its rows by arm, each by column."""
        folder = request_in()
        made(folder)
        _, *parts = re.split("(Accuracies|Costs)\n\n", (folder / "report.md").read_text())

        def table(text):
            head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")]
                              for line in text.splitlines() if line.startswith("|")]  # fmt: skip
            return {row[0]: dict(zip(head, row, strict=True)) for row in rows}

        return {name: table(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}

    def test_of_accuracies_with_intervals(self, cells):
        """Tests .90, .91 and .92 of three seeds: 91 +- 4.3027 / sqrt(3) = 2.48; all have .9 or .8 in validation."""
        baseline, quick = cells["Accuracies"]["baseline"], cells["Accuracies"]["one_cycle"]
        assert baseline["test, %"] == "91.00 (88.52 to 93.48)"
        assert baseline["best validation, %"] == baseline["final validation, %"] == "90.00 (90.00 to 90.00)"
        assert quick["best validation, %"] == "80.00 (80.00 to 80.00)"
        assert (quick["trainings"], quick["minus baseline, points"]) == ("3", "-1.00 (-3.48 to +1.48)")

    def test_of_costs(self, cells):
        """Two epochs of 10 steps and a second each; the baseline is at its .9 after both, one cycle never."""
        named = ("steps", "seconds", "reach baseline's accuracy", "epochs to it", "steps to it", "seconds to it",
                 "pairs that reach it", "speed-up, epochs", "speed-up, seconds", "with search",
                 "cost ratio, seconds")  # fmt: skip
        found = {name: [row[one] for one in named] for name, row in cells["Costs"].items()}
        assert found["baseline"] == ["20", "2.0 (2.0 to 2.0)", "3 of 3", "2.0", "20", "2.0", "3 of 3", *["1.00"] * 4]
        assert found["one_cycle"] == ["20", "2.0 (2.0 to 2.0)", "0 of 3", *["–"] * 3, "0 of 3", *["–"] * 3, "1.00"]
        assert found["linear"] == ["–"] * 11

    @pytest.mark.parametrize("took_over", [False, True])
    def test_what_was_taken_over_stands_beneath(self, request_in, made, took_over):
        folder = request_in(took_over=took_over)
        made(folder)
        told = "Taken over from earlier jobs, which report.csv names: baseline (seeds 0, 1, 2). Their seconds"
        for name in ("report.md", "report.html"):
            page = (folder / name).read_text()
            assert ("Taken over" in page, told in page) == (took_over, took_over)
        lines = (folder / "report.md").read_text().splitlines()
        assert not took_over or lines[lines.index(next(one for one in lines if told in one)) - 2].startswith("| step")


class TestMarkdown:
    def test_a_bar_in_a_cell_stays_in_it(self, tmp_path):
        write_pages(Page("t", "l", {}, [Table(("a|b", "c"), [("x|y", "z\nz")])], []), tmp_path)
        lines = (tmp_path / "report.md").read_text().splitlines()
        assert [line for line in lines if line.startswith("|")] == ["| a\\|b | c |", "|---|---|", "| x\\|y | z z |"]


class TestProcess:
    def test_ends_with_the_keeper(self, request_in):
        folder = request_in()
        with tempfile.TemporaryFile() as output:
            process = start(CHILD, Request(str(folder)), output, environment={})
            process.stdin.close()
            try:
                assert process.wait(timeout=30) in (0, 75)  # unless it was quicker
            except subprocess.TimeoutExpired:
                kill(process)
                raise
