"""The set-up script on machines that lack something; small shell scripts play Python, id and apt-get."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path):
    """A machine that has only the commands it is given, and a copy of the set-up script."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("dirname", "cat", "touch"):
        (commands / name).symlink_to(shutil.which(name))
    tools = tmp_path / "project" / "tools"
    tools.mkdir(parents=True)
    (tools / "setup.sh").write_bytes((ROOT / "tools" / "setup.sh").read_bytes())
    return tmp_path


def give(machine: Path, command: str, script: str) -> None:
    path = machine / "bin" / command
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def set_up(machine: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(machine / "bin")} | environment
    command = ["/bin/bash", machine / "project" / "tools" / "setup.sh", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


# Debian's Python: new enough, but without ensurepip until the package is there. Knows its questions by their text.
DEBIAN_PYTHON = """
case "$*" in
    *"<= (3, 13)"*) exit 0 ;;
    *ensurepip*) [ -e "$HOME/has-venv" ] ;;
    *-venv*) echo python3.11-venv ;;
    *--version*) echo Python 3.11.2 ;;
    *"-m venv"*) /bin/mkdir -p .venv/bin && /bin/cp "$0" .venv/bin/python ;;
    *"-m pip --version"*) exit 0 ;;
    *"-m pip install"*) echo "$@" >>"$HOME/pip"; [ -e "$HOME/has-network" ] || { echo no route; exit 1; } ;;
    *) exit 1 ;;
esac
"""


class TestSetup:
    def test_without_python_it_says_what_to_install(self, machine):
        done = set_up(machine)
        assert done.returncode == 1
        assert "no Python 3.11 to 3.13" in done.stderr
        assert "apt-get install python3" in done.stderr

    def test_without_venv_and_without_rights_it_says_the_command(self, machine):
        give(machine, "python3", DEBIAN_PYTHON)
        give(machine, "apt-get", "exit 1")
        give(machine, "id", "echo 1000")
        done = set_up(machine, HOME=str(machine))
        assert done.returncode == 1
        assert "sudo apt-get update && sudo apt-get install -y python3.11-venv" in done.stderr

    def test_as_root_it_installs_venv_and_goes_on(self, machine):
        give(machine, "python3", DEBIAN_PYTHON)
        give(machine, "apt-get", 'case "$*" in install*python3.11-venv) touch "$HOME/has-venv" ;; esac')
        give(machine, "id", "echo 0")
        (machine / "has-network").touch()
        done = set_up(machine, "dev", HOME=str(machine))
        assert done.returncode == 0, done.stderr
        assert "--constraint constraints.txt --editable .[dev]" in (machine / "pip").read_text()
        made = sorted(path.name for path in (machine / "project" / ".venv").glob(".installed-*"))
        assert made == [".installed-dev", ".installed-worker"]

    def test_when_pip_fails_its_words_are_shown_and_no_stamp_is_left(self, machine):
        give(machine, "python3", DEBIAN_PYTHON)
        (machine / "has-venv").touch()
        done = set_up(machine, HOME=str(machine))
        assert done.returncode == 1
        assert "no route" in done.stderr
        assert list((machine / "project" / ".venv").glob(".installed-*")) == []
