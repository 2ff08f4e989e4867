"""What is asked of a new dataset reaches its check, and what that decides reaches the workers."""

import io

import numpy as np
import pytest
from PIL import Image

from app.callers import administrator
from app.datasets import service
from app.datasets.schemas import Registration
from app.datasets.service import NewDataset
from app.domain.specs import DatasetRef
from app.ids import new_id
from worker.assignments import dataset_source
from worker.datasets.opening import open_dataset
from worker.datasets.splitting import DEFAULT_SEED, DEFAULT_TEST_FRACTION, MadeSplit

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def plain():
    """Ten cats and ten dogs, no two alike, without a split."""

    def png(seed):
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(file, "PNG")
        return file.getvalue()

    return {f"{kind}/{number}.png": png(1000 * start + number) for start, kind in enumerate(("cat", "dog"), 1)
            for number in range(10)}  # fmt: skip


@pytest.fixture
def send(client, pack):
    """POST an archive with fields beside it; returns the response."""

    def post(files, name="pets", form="zip", headers=None, **fields):
        data = {"name": name} | fields
        return client.post("/v1/datasets", data=data, files={"file": ("a", pack(files, form))}, headers=headers)

    return post


class TestUploads:
    def test_a_split_is_made_and_recorded(self, client, send, plain, check_all):
        assert send(plain).json()["split"] is None
        check_all()
        pets = client.get("/v1/datasets/pets").json()
        assert pets["counts"] == {"train": {"cat": 8, "dog": 8}, "test": {"cat": 2, "dog": 2}}
        assert pets["split"] == {"origin": "made", "test_fraction": 0.2, "seed": 0}
        assert pets["report"]["statistics"]["images"] == 20

    def test_as_it_was_asked_for(self, client, send, plain, check_all):
        assert send(plain, test_fraction="0.3", split_seed="7", on_bad_file="skip").status_code == 202
        check_all()
        pets = client.get("/v1/datasets/pets").json()
        assert pets["counts"]["test"] == {"cat": 3, "dog": 3}
        assert pets["split"] == {"origin": "made", "test_fraction": 0.3, "seed": 7}

    @pytest.mark.parametrize(
        ("fields", "code", "detail"),
        [
            ({"test_fraction": "1"}, "out_of_range", "must be less than 1, not 1"),
            ({"test_fraction": "-0.1"}, "out_of_range", "must be at least 0, not -0.1"),
            ({"test_fraction": "nan"}, "not_finite", "must be a finite number, not nan"),
            ({"test_fraction": "a lot"}, "invalid_value", "must be a number, as in 0.2"),
            ({"test_fraction": ""}, "invalid_value", "must be a number, as in 0.2"),
            ({"split_seed": "1.5"}, "invalid_value", "must be a whole number, as in 0"),
            ({"split_seed": "-1"}, "out_of_range", "must be at least 0, not -1"),
            ({"split_seed": "4294967296"}, "out_of_range", "must be less than 4294967296, not 4294967296"),
            (
                {"on_bad_file": "skp"},
                "unknown_option",
                "must be one of reject, skip, not \"skp\"; did you mean 'skip'?",
            ),
        ],
    )
    def test_fields_that_cannot_be_are_named(self, client, send, settings, fields, code, detail):
        answer = send({"a": b""}, **fields).json()
        (error,) = answer["errors"]
        (name,) = fields
        assert (error["code"], error["pointer"]) == (code, f"#/{name}")
        assert error["detail"] == detail
        assert answer["hint"]
        assert list(settings.folder("uploads").iterdir()) == []

    def test_the_same_key_with_another_share_is_another_request(self, send, plain):
        key = {"Idempotency-Key": "k"}  # and a tar, in which no clock is
        sent = [send(plain, form="w:", headers=key, test_fraction=share) for share in ("0.2", "0.2", "0.3")]
        assert [answer.status_code for answer in sent] == [202, 202, 422]
        assert sent[0].json()["id"] == sent[1].json()["id"]
        assert sent[2].json()["code"] == "idempotency_mismatch"


class TestRegistrations:
    @pytest.fixture
    def folder(self, settings, plain):
        for name, data in plain.items():
            target = settings.dataset_roots[0] / "pets" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return settings.dataset_roots[0] / "pets"

    def test_as_it_was_asked_for(self, client, folder, check_all):
        body = {"name": "pets", "path": str(folder), "test_fraction": 0.5, "split_seed": 2**32 - 1}
        assert client.post("/v1/datasets", json=body).status_code == 202
        check_all()
        pets = client.get("/v1/datasets/pets").json()
        assert pets["split"] == {"origin": "made", "test_fraction": 0.5, "seed": 2**32 - 1}
        assert pets["counts"]["test"] == {"cat": 5, "dog": 5}

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ('"test_fraction": "0.2"', "wrong_type"),
            ('"test_fraction": true', "wrong_type"),
            ('"test_fraction": NaN', "not_finite"),
            ('"split_seed": 0.5', "wrong_type"),
            ('"split_seed": "0"', "wrong_type"),
            ('"on_bad_file": 1', "unknown_option"),
        ],
    )
    def test_fields_that_cannot_be_are_named(self, client, fields, code):
        body = f'{{"name": "pets", "path": "/", {fields}}}'
        answer = client.post("/v1/datasets", content=body, headers=HEADERS)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)

    def test_a_file_that_is_skipped_is_named(self, client, folder, check_all, settings):
        for number in range(90):
            (folder / "cat" / f"more{number}.png").write_bytes((folder / "cat/0.png").read_bytes() + bytes([number]))
        (folder / "cat" / "broken.png").write_bytes(b"broken")
        client.post("/v1/datasets", json={"name": "pets", "path": str(folder), "on_bad_file": "skip"})
        check_all()
        pets = client.get("/v1/datasets/pets").json()
        assert pets["state"] == "ready"
        assert ("skipped_file", "cat/broken.png") in [
            (line["code"], line["path"]) for line in pets["report"]["warnings"]
        ]


class TestDefaults:
    def test_the_description_says_those_of_the_check(self):
        fields = Registration.model_fields
        assert fields["test_fraction"].description.endswith(f"[default: {DEFAULT_TEST_FRACTION}]")
        assert fields["split_seed"].description.endswith(f"[default: {DEFAULT_SEED}]")


class TestBuiltIn:
    @pytest.mark.parametrize(("name", "origin"), [("digits", "none"), ("MNIST", "published")])
    def test_they_stay_as_they_are(self, client, name, origin):
        split = {"origin": origin, "test_fraction": None, "seed": None}
        assert client.get(f"/v1/datasets/{name}").json()["split"] == split


class TestVersions:
    def version(self, client, name):
        dataset = client.get(f"/v1/datasets/{name}").json()
        assert dataset["state"] == "ready", dataset["report"]
        return dataset["version"]

    def test_the_archive_around_the_files_does_not_matter(self, client, send, plain, check_all):
        forms = {"zip": "", "w:": "pets/", "w:gz": "a/b/", "w:bz2": "./", "w:xz": "pets/"}
        for form, wrapper in forms.items():
            files = {wrapper + name: data for name, data in reversed(plain.items())}
            readme = {f"{wrapper}readme.txt": form.encode()}
            assert send(files | readme, f"pets {form.strip(':')}".replace(":", "."), form).status_code == 202
        check_all()
        names = [item["name"] for item in client.get("/v1/datasets").json()["items"] if item["kind"] == "uploaded"]
        assert len(names) == 5
        assert len({self.version(client, name) for name in names}) == 1

    def test_the_split_does(self, client, send, plain, check_all):
        asked = {"a": {}, "b": {"test_fraction": "0.2", "split_seed": "0"}, "c": {"split_seed": "1"}}
        asked |= {"d": {"test_fraction": "0"}, "e": {"test_fraction": "0", "split_seed": "1"}}
        for name, fields in asked.items():
            send(plain, name, **fields)
        check_all()
        a, b, c, d, e = (self.version(client, name) for name in asked)
        assert a == b == MadeSplit().version(d)
        assert c == MadeSplit(seed=1).version(d)
        assert d == e  # nothing was drawn


@pytest.mark.parametrize("settings", ["sqlite", "postgresql"], indirect=True)
class TestWorkers:
    @pytest.fixture
    def settings(self, request):
        return request.getfixturevalue(f"{request.param}_settings")

    @pytest.mark.parametrize(("share", "seed", "tests"), [(None, None, 4), (0.35, 2**32 - 1, 8), (0.0, None, 0)])
    def test_find_the_same_split(self, database, settings, plain, check_all, tmp_path, share, seed, tests):
        """Through the row of either database: share and seed come out of it as they went in."""
        for name, data in plain.items():
            target = tmp_path / "pets" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        new = NewDataset(new_id("ds"), "admin", "pets", "registered", tmp_path / "pets", None, share, seed)
        with database.transaction() as session:
            service.add(session, new)
        check_all()
        with database.reading() as session:
            facts = service.resolve(DatasetRef(name="pets"), session, administrator())
        source = dataset_source(settings, facts)
        opened = open_dataset(source, target_size=8, cache_root=tmp_path / "cache", on_progress=lambda *_: None)
        assert opened.version == facts.version
        assert len(opened.dataset.test or ()) == facts.counts.get("test", 0) == tests
        assert len(opened.dataset.train) == facts.counts["train"] == 20 - tests
