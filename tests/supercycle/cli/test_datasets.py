"""Adding data sets with options, and reading what their check found."""

import json
import re

import pytest

from supercycle.cli.exit_codes import ExitCode

READY = {
    "id": "ds_1", "name": "cats", "kind": "uploaded", "state": "ready", "version": "sha256:" + "a" * 64,
    "created_at": "2026-01-01T00:00:00.123456Z", "classes": ["tabby", "tiger"],
    "counts": {"train": {"tabby": 1200, "tiger": 4}, "test": {"tabby": 300, "tiger": 1}},
    "image": {"mode": "RGB", "min": [8, 8], "max": [640, 480]},
    "split": {"origin": "made", "test_fraction": 0.2, "seed": 7},
    "report": {
        "expected": "Class folders.",
        "found": "2 classes, 1,204 training and 301 test images.",
        "problems": [],
        "warnings": [
            {"code": "skipped_file", "path": "tiger/x.png", "detail": "No picture.", "hint": "Replace it."},
            {"code": "class_imbalance", "path": None, "detail": "300 times as many.", "hint": "Add some."},
        ],
        "statistics": {
            "images": 1505, "bytes": 12_345_678,
            "sizes": {
                "min": [8, 8], "median": [32, 30], "max": [640, 480],
                "shorter_sides": [
                    {"at_least": 1, "at_most": 1, "images": 5}, {"at_least": 8, "at_most": 15, "images": 1500},
                ],
            },
            "modes": {"RGB": 1500, "L": 5},
            "per_class": {
                "smallest": {"name": "tiger", "images": 4}, "median": 602.0,
                "largest": {"name": "tabby", "images": 1200},
            },
            "duplicates": {
                "across_splits": {"images": 0, "examples": []},
                "across_classes": {"images": 2, "examples": [["tabby/a.png", "tiger/a.png"]]},
                "within_training": {"images": 1, "examples": []},
            },
        },
    },
}  # fmt: skip
SHOWN = """\
name        cats
id          ds_1
kind        uploaded
state       ready
version     sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
created_at  2026-01-01T00:00:00Z
split       test images taken out of each class: share 0.2, seed 7
found       2 classes, 1,204 training and 301 test images.

warnings
  skipped_file     tiger/x.png: No picture. Replace it.
  class_imbalance  300 times as many. Add some.

class  train  test
tabby  1,200  300
tiger  4      1
all    1,204  301

figures
  images                      1,505 in 12.3 MB
  width × height              min 8 × 8, median 32 × 30, max 640 × 480
  shorter side                1: 5, 8 to 15: 1,500
  modes                       RGB: 1,500, L: 5
  training images of a class  min 4 (tiger), median 602, max 1,200 (tabby)
  copies                      0 across splits, 2 across classes, 1 within training
"""
BUILT_IN = {
    "id": "ds_2", "name": "digits", "kind": "built_in", "state": "available", "version": None, "created_at": None,
    "counts": {"train": {str(digit): 100 for digit in range(30)}, "test": {}}, "classes": [], "report": None,
    "image": {"mode": "L", "min": [8, 8], "max": [8, 8]},
    "split": {"origin": "none", "test_fraction": None, "seed": None},
}  # fmt: skip


@pytest.fixture
def shown(run, service, canned):
    def show(dataset):
        service.answers["GET /v1/datasets/cats"] = canned(dataset)
        return run("datasets", "show", "cats").stdout

    return show


class TestShow:
    def test_all_that_was_found(self, shown):
        assert shown(READY) == SHOWN

    def test_problems_come_with_what_was_expected(self, shown):
        lines = [
            {"code": "empty_class", "path": "lion", "detail": "No images.", "hint": "Remove it."},
            {"code": "not_an_archive", "path": None, "detail": "No archive.", "hint": "Send one."},
        ]
        report = READY["report"] | {"problems": lines, "warnings": [], "statistics": None}
        said = shown(READY | {"state": "invalid", "version": None, "split": None, "report": report})
        assert "expected    Class folders." in said
        assert "\nproblems\n  empty_class     lion: No images. Remove it.\n  not_an_archive  No archive. Send" in said
        assert "warnings" not in said
        assert "figures" not in said

    def test_a_report_of_an_earlier_release(self, shown):
        report = {"expected": "e", "found": "f", "problems": []}
        said = shown({name: value for name, value in READY.items() if name != "split"} | {"report": report})
        assert "found       f\n\nclass  train" in said

    def test_one_that_waits_for_its_check(self, shown):
        waiting = {"state": "validating", "version": None, "split": None, "report": None, "image": None}
        said = shown(READY | waiting | {"counts": {"train": {}, "test": {}}})
        assert said.splitlines()[-1] == "created_at  2026-01-01T00:00:00Z"

    def test_a_built_in_one_with_many_classes(self, shown):
        said = shown(BUILT_IN)
        assert "images  3000\nimage   8 × 8, grey\nsplit   none, all images are for training\n" in said
        assert re.search(r"\n19 +100\n… 10 more, see --json\nall +3,000\n$", said)

    def test_names_of_others_control_no_terminal(self, shown):
        line = READY["report"]["warnings"][0] | {"path": "a\x1b[2J.png"}
        said = shown(READY | {"report": READY["report"] | {"warnings": [line]}, "counts": {"train": {"\x1b[1m": 1}}})
        assert "\x1b" not in said

    def test_says_how_to_see_its_images(self, shown):
        said = shown(READY | {"preview": "/v1/datasets/ds_1/preview.png"})
        assert said.endswith("\nsave a picture of its classes with: supercycle datasets show cats --preview cats.png\n")

    def test_without_a_picture(self, run, service, canned, tmp_path):
        service.answers["GET /v1/datasets/cats"] = canned(READY)
        problem = {
            "status": 404,
            "code": "no_preview",
            "title": "Not found",
            "detail": "It is invalid.",
            "hint": "Look.",
        }
        service.answers["GET /v1/datasets/ds_1/preview.png"] = canned(problem, 404)
        found = run("datasets", "show", "cats", "--preview", str(tmp_path / "cats.png"))
        assert found.exit_code == ExitCode.REFUSED
        assert "no_preview" in found.stderr
        assert list(tmp_path.iterdir()) == []

    def test_as_json(self, run, service, canned):
        service.answers["GET /v1/datasets/cats"] = canned(READY)
        assert json.loads(run("datasets", "show", "cats", "--json").stdout) == READY


class TestWait:
    @pytest.mark.parametrize(("state", "code"), [("ready", ExitCode.DONE), ("invalid", ExitCode.FAILED)])
    @pytest.mark.parametrize("as_json", [False, True])
    def test_for_the_check(self, run, service, canned, tmp_path, monkeypatch, state, code, as_json):
        monkeypatch.setattr("supercycle.client.CHECK_POLL_SECONDS", 0.01)
        waiting = READY | {"state": "validating", "report": None}
        service.answers["POST /v1/datasets"] = canned(waiting, 202)
        (tmp_path / "cats.zip").write_bytes(b"PK")
        for way in (["add", "cats", str(tmp_path / "cats.zip")], ["register", "cats", "/srv/cats"]):
            service.answers["GET /v1/datasets/ds_1"] = [canned(waiting), canned(READY | {"state": state})]
            found = run("datasets", *way, "--wait", *(["--json"] if as_json else []))
            assert found.exit_code == code
            assert state in found.stdout
            assert "see how the check went" not in found.stdout

    def test_is_not_the_default(self, run, service, canned):
        service.answers["POST /v1/datasets"] = canned(READY | {"state": "validating", "report": None}, 202)
        found = run("datasets", "register", "cats", "/srv/cats")
        assert found.stdout.endswith("see how the check went with: supercycle datasets show cats\n")
        assert len(service.requests) == 1


class TestImport:
    def test_asks_for_a_job_and_says_what_came_of_it(self, run, service, canned, job_body):
        result = {"dataset_id": "ds_1", "name": "EuroSAT", "version": "sha256:1", "classes": ["a", "b"], "bytes": 7,
                  "counts": {"train": 21600, "test": 5400}, "already_there": False}  # fmt: skip
        job = job_body(kind="dataset_import", state="succeeded", result=result, spec={"dataset": "EuroSAT"})
        service.answers["POST /v1/jobs"] = canned(job, 202)
        service.answers[f"GET /v1/jobs/{job['id']}"] = canned(job)
        service.answers[f"GET /v1/jobs/{job['id']}/events"] = canned({"items": [], "last_seq": 0})
        found = run("datasets", "import", "EuroSAT")
        assert found.exit_code == ExitCode.DONE, found.output
        assert json.loads(service.requests[0].body) == {"kind": "dataset_import", "dataset": "EuroSAT"}
        assert re.search(r"data set +EuroSAT is there now\nclasses +2\nimages +21,600 train, 5,400 test", found.stdout)
        assert "supercycle datasets show EuroSAT" in found.stdout

    def test_without_following_it(self, run, service, canned, job_body):
        service.answers["POST /v1/jobs"] = canned(job_body(kind="dataset_import", state="queued"), 202)
        assert "supercycle watch" in run("datasets", "import", "EuroSAT", "--detach").stdout


class TestOptions:
    OPTIONS = ("--test-fraction", "0.25", "--split-seed", "7", "--on-bad-file", "skip")

    def test_of_add(self, run, service, canned, tmp_path):
        service.answers["POST /v1/datasets"] = canned(READY, 202)
        (tmp_path / "cats.zip").write_bytes(b"PK")
        assert run("datasets", "add", "cats", str(tmp_path / "cats.zip"), *self.OPTIONS).exit_code == 0
        (request,) = service.requests
        for name, value in {b"test_fraction": b"0.25", b"split_seed": b"7", b"on_bad_file": b"skip"}.items():
            assert b'name="' + name + b'"\r\n\r\n' + value in request.body

    def test_of_register(self, run, service, canned):
        service.answers["POST /v1/datasets"] = canned(READY, 202)
        assert run("datasets", "register", "cats", "/srv/cats", *self.OPTIONS, "--json").exit_code == 0
        asked = {"test_fraction": 0.25, "split_seed": 7, "on_bad_file": "skip"}
        assert json.loads(service.requests[0].body) == {"name": "cats", "path": "/srv/cats"} | asked
