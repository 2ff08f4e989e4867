"""The furniture of the repository: sizes, pins, papers and commands."""

import ast
import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CODE = [path for room in ("app", "worker", "supercycle") for path in sorted((ROOT / room).rglob("*.py"))]
ALL_CODE = CODE + [
    path for room in ("migrations", "tests", "benchmarks") for path in sorted((ROOT / room).rglob("*.py"))
]
PAPERS = sorted((ROOT / "docs" / "adr").glob("0*.md"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


class TestSource:
    @pytest.mark.parametrize("path", ALL_CODE, ids=named)
    def test_files_stay_under_300_lines(self, path):
        assert len(path.read_text().splitlines()) < 300

    @pytest.mark.parametrize("path", CODE, ids=named)
    def test_modules_say_what_they_are_responsible_for(self, path):
        source = path.read_text()
        assert not source or ast.get_docstring(ast.parse(source))

    @pytest.mark.parametrize("word", ["utils", "helpers", "common", "misc"])
    def test_no_module_is_a_drawer(self, word):
        assert [named(path) for path in CODE if path.stem == word] == []

    def test_the_environment_is_read_in_configuration_alone(self):
        readers = [named(path) for path in CODE if re.search(r"os\.(environ|getenv)", path.read_text())]
        assert set(readers) <= {"app/config.py", "supercycle/config.py"}


class TestConstraints:
    lines = tuple((ROOT / "constraints.txt").read_text().splitlines())
    names = frozenset(line.partition("==")[0].lower().replace("_", "-") for line in lines)

    def test_they_are_names_and_versions_only(self):
        # No addresses, no local version labels (+cu130), no markers.
        assert [line for line in self.lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)] == []

    def test_they_are_sorted(self):
        assert self.lines == tuple(sorted(self.lines, key=str.lower))

    def test_what_torch_brings_is_left_to_torch(self):
        assert [name for name in self.names if re.match(r"nvidia-|cuda-|triton", name)] == []

    def test_every_direct_dependency_is_pinned(self):
        groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
        wanted = {re.match(r"[\w.-]+", line)[0].lower() for group in groups for line in group}
        assert wanted - self.names == {"supercycle"}  # its own extras name it

    @pytest.mark.parametrize("name", ["pillow", "python-multipart"])
    def test_what_has_known_faults_may_not_be_older_than_its_pin(self, name):
        """Uploads reach both of them: a header without end, a picture of 1000 × 1."""
        lines = [line for group in PROJECT["optional-dependencies"].values() for line in group]
        (bound,) = [line.partition(">=")[2] for line in lines if line.startswith(f"{name}>=")]
        (pin,) = [line.partition("==")[2] for line in self.lines if line.startswith(f"{name}==")]
        assert f"{pin}.".startswith(f"{bound}.")


class TestPapers:
    def test_the_license_is_whole(self):
        text = (ROOT / "LICENSE").read_text()
        assert PROJECT["license"] == "Apache-2.0"
        assert "Version 2.0, January 2004" in text
        assert "END OF TERMS AND CONDITIONS" in text

    @pytest.mark.parametrize("path", PAPERS, ids=named)
    def test_decisions_have_every_part(self, path):
        headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Where it is enforced"]

    @pytest.mark.parametrize("path", PAPERS, ids=named)
    def test_decisions_name_files_that_exist(self, path):
        enforced = path.read_text().partition("## Where it is enforced")[2]
        files = re.findall(r"`((?:app|worker|supercycle|migrations|tests)/[\w./-]+)`", enforced)
        assert files
        assert [name for name in files if not (ROOT / name).exists()] == []

    def test_the_index_lists_every_decision(self):
        index = (ROOT / "docs" / "adr" / "README.md").read_text()
        assert re.findall(r"\]\((0[\w-]+\.md)\)", index) == [path.name for path in PAPERS]


class TestMakefile:
    text = (ROOT / "Makefile").read_text()

    def test_make_alone_explains_every_command(self):
        # Inside `make test`, make would inherit its parent's flags and speak of folders.
        own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        shown = subprocess.run(["make"], env=own, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        commands = re.search(r"^\.PHONY: (.+)$", self.text, re.MULTILINE)[1].split()
        assert [line.split()[1] for line in shown.splitlines()] == commands

    @pytest.mark.parametrize("script", [".ci/run", "tools/setup.sh"])
    def test_scripts_can_be_run(self, script):
        assert (ROOT / script).stat().st_mode & stat.S_IXUSR
        subprocess.run(["bash", "-n", ROOT / script], check=True)
