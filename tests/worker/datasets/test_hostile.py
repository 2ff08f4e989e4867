"""Files that somebody may send to do harm: each is refused by name, and nothing else comes of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker.datasets.hostile.corpus import ROOMS, entries_of

ROOT = Path(__file__).parents[3]
MOST_BYTES = 600 << 20  #: of the process that makes all of them and checks them
MOST_SECONDS = 15.0  #: for one, on a machine that has other things to do


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """What is watched, the folder for temporary files included."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def said(place):
    """What was said of each, by its name."""
    command = [sys.executable, "-m", "tests.worker.datasets.hostile.check_all", str(place)]
    environment = {"TMPDIR": str(place), "OPENBLAS_NUM_THREADS": "1", "LANG": "C.UTF-8"}
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110)
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stderr == ""
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    return {line["name"]: line for line in lines}


def problems(line):
    return line["verdict"]["report"]["problems"]


class TestVerdicts:
    def test_there_are_many_and_no_two_are_the_same(self, said):
        assert len({line["sha256"] for line in said.values()}) == len(said) > 1000

    @pytest.mark.parametrize("room", ROOMS)
    def test_each_is_what_it_is_taken_for(self, said, room):
        wrong = {}
        for entry in entries_of(room):
            verdict, codes = said[entry.name]["verdict"], {problem["code"] for problem in problems(said[entry.name])}
            if verdict["state"] != ("invalid" if entry.codes else "ready") or not codes <= set(entry.codes):
                wrong[entry.name] = (entry.codes, verdict["state"], codes)
        assert wrong == {}

    def test_each_reason_is_a_sentence_and_says_what_to_do(self, said, place):
        for line in said.values():
            for problem in problems(line):
                for words in (problem["detail"], problem["hint"]):
                    assert words[-1] in ".…", problem
                    assert words.isprintable(), problem
                    assert len(words) <= 400, problem
                    assert not any(inside in words for inside in (str(place), "object at 0x", "Traceback")), problem
                assert problem["path"] is None or (problem["path"].isprintable() and len(problem["path"]) <= 1000)


class TestHarm:
    def test_nothing_changes_around_the_data_set(self, said):
        assert {name: line["changed"] for name, line in said.items() if line["changed"]} == {}

    def test_nothing_is_left_of_what_is_invalid(self, said):
        invalid = {name: line["left"] for name, line in said.items() if line["verdict"]["state"] == "invalid"}
        assert {name: left for name, left in invalid.items() if left} == {}

    def test_memory_and_time_are_bounded(self, said):
        assert max(line["peak_bytes"] for line in said.values()) < MOST_BYTES
        assert {name: line["seconds"] for name, line in said.items() if line["seconds"] > MOST_SECONDS} == {}
