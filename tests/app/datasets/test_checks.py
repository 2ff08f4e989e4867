"""The keeper's check of uploads: what it says, what it survives, what it leaves behind."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from tests.helping import await_children, await_gone, python, slow_png
from worker.keeper.imports import Importer

TWO = "crew.count = lambda: 2; "


def report_of(client, name="pets"):
    dataset = client.get(f"/v1/datasets/{name}").json()
    assert dataset["state"] == "invalid", dataset
    return dataset["report"]


def codes(report):
    return [problem["code"] for problem in report["problems"]]


def left_behind(settings):
    return [*settings.folder("uploads").iterdir(), *settings.folder("datasets/uploaded").iterdir()]


def waiting(place):
    """A child that has unpacked, says so there, and goes on when it may."""
    place.mkdir(exist_ok=True)
    return python(
        "import time, pathlib; from worker.keeper import check; look = check._check_folder; "
        f"place = pathlib.Path({str(place)!r})\n"
        "def wait(*given):\n"
        "    (place / 'unpacked').touch()\n"
        "    while not (place / 'go').exists(): time.sleep(0.01)\n"
        "    return look(*given)\n"
        "check._check_folder = wait\n"
        "check.main()"
    )


def wait_for(path):
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


class TestReports:
    @pytest.mark.parametrize(
        ("files", "code", "path"),
        [
            ({"cat/a.png": b"x", "../dog.png": b"x"}, "unsafe_path", "../dog.png"),
            ({"cat/a.png": b"x", "cat/b.zip": b"x"}, "nested_archive", "cat/b.zip"),
            ({"readme.txt": b"x"}, "too_few_classes", None),
        ],
    )
    def test_what_is_refused_is_named(self, client, upload, check_all, settings, files, code, path):
        upload(files=files)
        check_all()
        problem = report_of(client)["problems"][0]
        assert (problem["code"], problem["path"]) == (code, path)
        assert problem["hint"]
        assert left_behind(settings) == []

    def test_every_broken_picture_is_listed(self, client, upload, images, check_all, settings):
        broken = ["pets/train/cat/0.png", "pets/test/dog/9.png"]
        upload(files=images | {name: images[name][:40] for name in broken})
        check_all()
        report = report_of(client)
        assert sorted(problem["path"] for problem in report["problems"]) == ["test/dog/9.png", "train/cat/0.png"]
        assert "2 files that cannot be read" in report["found"]
        assert "Class folders" in report["expected"]
        assert left_behind(settings) == []

    def test_one_is_counted_as_one(self, client, upload, images, check_all):
        broken = "pets/train/cat/0.png"
        upload(name="cats", files={name: images[name] for name in images if "/cat/" in name})
        upload(files=images | {broken: images[broken][:40]})
        check_all()
        assert report_of(client, "cats")["found"].startswith("1 class, ")
        assert "; 1 file that cannot be read" in report_of(client)["found"]

    def test_a_long_list_is_cut(self, client, upload, check_all):
        upload(files={f"{kind}/{number}.png": b"broken" for kind in ("cat", "dog") for number in range(60)})
        check_all()
        report = report_of(client)
        assert codes(report) == ["unreadable_image"] * 100 + ["more_problems"]
        assert "20 more" in report["problems"][-1]["detail"]

    def test_no_archive_at_all(self, client, check_all, settings):
        client.post("/v1/datasets", data={"name": "pets"}, files={"file": ("pets.zip", b"hello")})
        check_all()
        report = report_of(client)
        assert codes(report) == ["not_an_archive"]
        assert report["expected"].startswith("A zip, tar")
        assert left_behind(settings) == []


class TestLimits:
    def test_time(self, client, upload, check_all, settings):
        upload()
        check_all(wall_time=timedelta(0))
        assert codes(report_of(client)) == ["check_timed_out"]
        assert left_behind(settings) == []

    def test_a_child_that_is_killed(self, client, upload, database, store, settings):
        posted = upload().json()
        importer = Importer(database, store)
        importer.advance()
        os.kill(importer._running.process.pid, signal.SIGKILL)
        (half,) = settings.folder("datasets/uploaded").glob(f".{posted['id']}-*")
        (half / "images" / "cat").mkdir(parents=True, exist_ok=True)  # as one half done has
        while importer.advance():
            time.sleep(0.01)
        report = report_of(client)
        assert codes(report) == ["check_failed"]
        assert "-9" in report["problems"][0]["detail"]
        assert left_behind(settings) == []


class TestHelpers:
    """Of a set that is large enough, processes of the check's own look at the pictures."""

    @pytest.fixture
    def check(self, upload, database, store, monkeypatch):
        """A check with two helpers at work, and those."""
        monkeypatch.setattr(
            "worker.keeper.imports.CHILD", python(f"{TWO}from worker.keeper import check; check.main()")
        )
        upload(files={f"{kind}/{number}.png": slow_png() for kind in ("cat", "dog") for number in range(60)})
        importer = Importer(database, store)
        importer.advance()
        yield importer, await_children(importer._running.process.pid)
        importer.stop()

    @pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL])
    def test_one_that_is_lost_ends_the_check(self, client, check, settings, how):
        importer, helpers = check
        os.kill(min(helpers), how)
        while importer.advance():
            time.sleep(0.01)
        report = report_of(client)
        assert codes(report) == ["check_failed"]
        assert f"exit code {-how}." in report["problems"][0]["detail"]
        assert left_behind(settings) == []
        await_gone(helpers)

    def test_they_end_with_a_check_that_is_killed(self, check):
        importer, helpers = check
        os.kill(importer._running.process.pid, signal.SIGKILL)
        await_gone(helpers)

    def test_they_end_with_a_check_that_the_keeper_ends(self, check):
        importer, helpers = check
        importer.stop()
        await_gone(helpers)

    def test_none_hangs_on_when_the_keeper_ends_the_check(self, check):
        """Not even one that has stopped to listen."""
        importer, helpers = check
        for pid in helpers:
            os.kill(pid, signal.SIGSTOP)
        importer.stop()
        await_gone(helpers)

    def test_they_end_with_the_keeper(self, check):
        importer, helpers = check
        importer._running.process.stdin.close()  # what the system does for a keeper that was killed
        assert importer._running.process.wait(30) == 75
        await_gone(helpers)


class TestDatabaseOutage:
    def test_the_verdict_is_told_when_it_is_back(self, client, upload, database, store, monkeypatch):
        upload()
        importer = Importer(database, store)
        importer.advance()
        importer._running.process.wait(60)
        with monkeypatch.context() as outage:
            outage.setattr(database, "transaction", lambda: pytest.fail("the database is down"))
            with pytest.raises(pytest.fail.Exception):
                importer.advance()
        assert importer.advance() is False
        assert client.get("/v1/datasets/pets").json()["state"] == "ready"


class TestKeepers:
    def test_one_that_stops_leaves_the_check_to_the_next(self, client, upload, database, store, check_all):
        upload()
        first = Importer(database, store)
        assert first.advance()
        child = first._running.process
        first.stop()
        assert child.returncode is not None
        assert client.get("/v1/datasets/pets").json()["state"] == "validating"
        check_all()
        assert client.get("/v1/datasets/pets").json()["state"] == "ready"

    def test_the_child_ends_when_its_keeper_is_gone(self, upload, database, store):
        upload()
        importer = Importer(database, store)
        importer.advance()
        process = importer._running.process
        process.stdin.close()  # what the system does for a keeper that was killed
        assert process.wait(30) in (0, 75)  # at once, unless it had finished already
        importer.stop()

    def test_one_killed_after_the_check_begins_anew(self, client, upload, database, store, check_all):
        upload()
        first = Importer(database, store)
        first.advance()
        first._running.process.wait(60)  # checked and moved into place, but never told
        first.stop()
        check_all()
        assert client.get("/v1/datasets/pets").json()["state"] == "ready"

    def test_two_at_once_do_not_meet(self, client, upload, database, store, settings, tmp_path, monkeypatch):
        """As where the first was cut off from the database, and its child went on."""
        id, importers = upload().json()["id"], []
        for number in range(2):
            monkeypatch.setattr("worker.keeper.imports.CHILD", waiting(tmp_path / str(number)))
            importers.append(Importer(database, store))
            importers[-1].advance()
        for number in range(2):
            wait_for(tmp_path / str(number) / "unpacked")
        for number, importer in enumerate(importers):
            (tmp_path / str(number) / "go").touch()
            importer._running.process.wait(60)
        assert [importer.advance() for importer in reversed(importers)] == [False, False]
        assert client.get("/v1/datasets/pets").json()["state"] == "ready"
        assert left_behind(settings) == [settings.folder("datasets/uploaded") / id]
        assert len(list(left_behind(settings)[0].rglob("*.png"))) == 8

    def test_one_that_stops_leaves_nothing_unpacked(self, upload, database, store, settings, tmp_path, monkeypatch):
        upload()
        monkeypatch.setattr("worker.keeper.imports.CHILD", waiting(tmp_path))
        importer = Importer(database, store)
        importer.advance()
        wait_for(tmp_path / "unpacked")
        importer.stop()
        assert list(settings.folder("datasets/uploaded").iterdir()) == []

    def test_deleted_during_its_check(self, client, upload, database, store, settings):
        upload()
        importer = Importer(database, store)
        importer.advance()
        assert client.delete("/v1/datasets/pets").status_code == 204
        while importer.advance():
            time.sleep(0.01)
        assert left_behind(settings) == []

    def test_deletion_ends_it_and_the_next_has_its_turn(
        self, client, upload, database, store, settings, tmp_path, monkeypatch
    ):
        upload()
        upload("others")
        with monkeypatch.context() as slow:
            slow.setattr("worker.keeper.imports.CHILD", waiting(tmp_path))
            importer = Importer(database, store)
            importer.advance()
        wait_for(tmp_path / "unpacked")
        child = importer._running.process
        assert client.delete("/v1/datasets/pets").status_code == 204
        importer.advance()
        assert child.returncode == -signal.SIGKILL
        while importer.advance():
            time.sleep(0.01)
        id = client.get("/v1/datasets/others").json()["id"]
        assert client.get(f"/v1/datasets/{id}").json()["state"] == "ready"
        assert left_behind(settings) == [settings.folder("datasets/uploaded") / id]

    def test_the_child_is_small(self):
        heavy = "{'torch', 'numpy', 'sqlalchemy', 'fastapi'}"
        code = f"import sys, worker.keeper.check; print(sorted({heavy} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"

    def test_the_child_sees_no_secrets(self, upload, database, store, monkeypatch):
        monkeypatch.setenv("SUPERCYCLE_API_KEY", "secret")
        upload()
        importer = Importer(database, store)
        importer.advance()
        pid = importer._running.process.pid
        with open(f"/proc/{pid}/environ", "rb") as environment:  # noqa: PTH123
            assert b"secret" not in environment.read()
        importer.stop()
