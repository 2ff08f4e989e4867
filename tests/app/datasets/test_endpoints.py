"""Datasets over HTTP: listing, adding both ways, what is refused, deleting."""

import asyncio
import json

import pytest

from app.domain import catalog


def uploads(settings):
    return list(settings.folder("uploads").iterdir())


def code(response):
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["detail"]
    assert problem["hint"]
    return problem["status"], problem["code"]


class TestBuiltIn:
    def test_they_come_first_and_look_like_every_dataset(self, client):
        items = client.get("/v1/datasets").json()["items"]
        assert sorted(item["name"] for item in items) == sorted(catalog.datasets())
        digits = client.get("/v1/datasets/digits").json()
        assert digits == client.get(f"/v1/datasets/{digits['id']}").json()
        assert (digits["kind"], digits["state"], digits["version"]) == ("built_in", "available", None)
        assert sum(digits["counts"]["train"].values()) == 1797
        assert digits["counts"]["test"] == {}
        assert digits["image"] == {"mode": "L", "min": [8, 8], "max": [8, 8]}

    @pytest.mark.parametrize("name", ["no-such", "ds_no-such", f"ds_{'0' * 26}", f"job_{'0' * 26}"])
    def test_one_that_is_not_there(self, client, name):
        assert code(client.get(f"/v1/datasets/{name}")) == (404, "unknown_dataset")
        assert code(client.delete(f"/v1/datasets/{name}")) == (404, "unknown_dataset")

    def test_they_cannot_be_deleted(self, client):
        assert code(client.delete("/v1/datasets/digits")) == (409, "built_in")


class TestPages:
    @pytest.mark.parametrize("limit", [1, 3, 7, 8, 200])
    def test_every_dataset_comes_once(self, client, upload, limit):
        for number in range(3):
            assert upload(f"pets-{number}").status_code == 202
        names, cursor = [], None
        while True:
            page = client.get("/v1/datasets", params={"limit": limit} | ({"cursor": cursor} if cursor else {})).json()
            names += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
            assert len(page["items"]) == limit
        assert names == [*sorted(catalog.datasets(), key=str.lower), "pets-2", "pets-1", "pets-0"]


class TestUpload:
    @pytest.mark.parametrize("form", ["zip", "w:", "w:gz", "w:bz2", "w:xz", "w:zst"])
    def test_from_bytes_to_ready(self, client, upload, check_all, settings, form):
        response = upload(form=form)
        assert response.status_code == 202
        posted = response.json()
        assert (posted["state"], posted["kind"], posted["classes"], posted["report"]) == (
            "validating",
            "uploaded",
            [],
            None,
        )
        check_all()
        pets = client.get(response.headers["Location"]).json()
        assert pets["state"] == "ready"
        assert pets["classes"] == ["cat", "dog"]
        assert pets["counts"] == {"train": {"cat": 3, "dog": 3}, "test": {"cat": 1, "dog": 1}}
        assert pets["image"] == {"mode": "L", "min": [12, 8], "max": [12, 8]}
        assert pets["channel_mean"] == pytest.approx([120 / 255])  # half 40, half 200
        assert pets["channel_std"] == pytest.approx([80 / 255])
        assert pets["version"].startswith("sha256:")
        assert pets["report"]["problems"] == []
        assert pets["report"]["found"] == "2 classes, 6 training and 2 test images; 12 × 8, grey."
        assert uploads(settings) == []
        assert [path.name for path in settings.folder("datasets/uploaded").iterdir()] == [posted["id"]]

    def test_the_same_bytes_are_the_same_version(self, client, upload, check_all):
        upload("one", form="zip")
        upload("two", form="w:gz")
        check_all()
        versions = {client.get(f"/v1/datasets/{name}").json()["version"] for name in ("one", "two")}
        assert len(versions) == 1
        assert None not in versions

    def test_the_file_may_come_before_the_name(self, client, pack, images):
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n' + pack(images)
        body += b'\r\n--x\r\nContent-Disposition: form-data; name="name"\r\n\r\npets\r\n--x--\r\n'
        response = client.post(
            "/v1/datasets", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert (response.status_code, response.json()["name"]) == (202, "pets")

    def test_bytes_arrive_as_they_were_sent(self, client, settings):
        sent = bytes(range(256)) * 20_000 + b"\r\n--not the boundary\r\n"  # over several writes
        client.post("/v1/datasets", data={"name": "pets"}, files={"file": ("a.zip", sent)})
        assert [path.read_bytes() == sent for path in uploads(settings)] == [True]


class TestRefusedUploads:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("digits", (409, "name_taken")),
            ("mnist", (409, "name_taken")),
            ("ds_pets", (422, "invalid_value")),
            ("../pets", (422, "invalid_value")),
            ("", (422, "too_short")),
            ("p" * 101, (422, "too_long")),
        ],
    )
    def test_names(self, upload, settings, name, expected):
        assert code(upload(name)) == expected
        assert uploads(settings) == []

    def test_a_name_that_is_there_already(self, upload, settings):
        upload("pets")
        assert code(upload("pets")) == (409, "name_taken")
        assert len(uploads(settings)) == 1

    def test_fields(self, client, settings):
        assert code(client.post("/v1/datasets", data={"name": "pets"}, files={"fil": b"x"})) == (422, "missing_field")
        files = {"file": ("a", b"x")}
        assert code(client.post("/v1/datasets", files=files)) == (422, "missing_field")
        assert code(client.post("/v1/datasets", data={"name": "a", "nme": "b"}, files=files)) == (422, "unknown_field")
        assert uploads(settings) == []

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"hello",
            b"--x\r\n",
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf',
            b"--y\r\n\r\n--y--",
        ],
    )
    def test_broken_bodies(self, client, settings, body):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert code(client.post("/v1/datasets", content=body, headers=headers)) == (422, "malformed_multipart")
        assert uploads(settings) == []

    def test_no_boundary(self, client):
        headers = {"Content-Type": "multipart/form-data"}
        assert code(client.post("/v1/datasets", content=b"x", headers=headers)) == (422, "malformed_multipart")

    @pytest.mark.parametrize(("length", "expected"), [(256, (202, None)), (257, (422, "malformed_multipart"))])
    def test_a_boundary_is_of_256_bytes_at_most(self, client, settings, pack, images, length, expected):
        boundary = b"b" * length
        part = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        body = b"".join(part % (boundary, *field) for field in ((b"name", b"pets"), (b"file", pack(images))))
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
        answer = client.post("/v1/datasets", content=body + b"--%b--\r\n" % boundary, headers=headers)
        assert (answer.status_code, answer.json().get("code")) == expected
        assert len(uploads(settings)) == (expected[0] == 202)

    @pytest.mark.parametrize("headers", [b"X: 1\r\n" * 100, b"X: " + b"1" * 10_000 + b"\r\n"], ids=["many", "long"])
    def test_headers_of_a_part_without_end(self, client, settings, headers):
        body = b"--x\r\n" + headers + b'Content-Disposition: form-data; name="file"\r\n\r\nhello\r\n--x--\r\n'
        sent = {"Content-Type": "multipart/form-data; boundary=x"}
        assert code(client.post("/v1/datasets", content=body, headers=sent)) == (422, "malformed_multipart")
        assert uploads(settings) == []

    @pytest.mark.parametrize("says_how_long", [True, False])
    def test_too_many_bytes(self, client, settings, says_how_long):
        settings.max_upload_bytes = 1 << 20
        body = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + bytes(2 << 20) + b"\r\n--x--\r\n"
        content = body if says_how_long else (body[start : start + 65536] for start in range(0, len(body), 65536))
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert code(client.post("/v1/datasets", content=content, headers=headers)) == (413, "body_too_large")
        assert uploads(settings) == []

    def test_over_the_limit_of_json_bodies_is_fine(self, client, settings):
        settings.max_upload_bytes = 4 * settings.max_body_bytes
        files = {"file": ("a.zip", bytes(2 * settings.max_body_bytes))}
        assert client.post("/v1/datasets", data={"name": "pets"}, files=files).status_code == 202

    @pytest.mark.parametrize("media_type", ["text/plain", "application/zip", ""])
    def test_other_media_types(self, client, media_type):
        response = client.post("/v1/datasets", content=b"x", headers={"Content-Type": media_type})
        assert code(response) == (415, "unsupported_media_type")


class TestRegistration:
    @pytest.fixture
    def folder(self, settings, images):
        for name, data in images.items():
            target = settings.dataset_roots[0] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return settings.dataset_roots[0] / "pets"

    def test_from_folder_to_ready(self, client, folder, check_all):
        response = client.post("/v1/datasets", json={"name": "pets", "path": str(folder)})
        assert response.status_code == 202
        check_all()
        pets = client.get(response.headers["Location"]).json()
        assert (pets["kind"], pets["state"], pets["classes"]) == ("registered", "ready", ["cat", "dog"])

    def test_deleting_it_leaves_the_folder(self, client, folder, check_all):
        client.post("/v1/datasets", json={"name": "pets", "path": str(folder)})
        check_all()
        assert client.delete("/v1/datasets/pets").status_code == 204
        assert len(list(folder.rglob("*.png"))) == 8

    def test_paths_outside_the_roots(self, client, settings, tmp_path):
        (tmp_path / "secret").mkdir()
        root = settings.dataset_roots[0]
        (root / "link").symlink_to(tmp_path / "secret")
        for path in ("/etc", str(root / ".." / "secret"), str(root / "link"), f"{root}-other", "pets", "/no/such"):
            answer = client.post("/v1/datasets", json={"name": "pets", "path": path})
            assert code(answer) == (422, "path_not_allowed"), path
            assert answer.json()["errors"][0]["pointer"] == "#/path"

    def test_without_roots_it_is_off(self, client, settings, tmp_path):
        settings.dataset_roots = []
        answer = client.post("/v1/datasets", json={"name": "pets", "path": str(tmp_path)})
        assert code(answer) == (422, "path_not_allowed")

    def test_a_folder_that_is_not_there(self, client, settings):
        path = str(settings.dataset_roots[0] / "nothing")
        assert code(client.post("/v1/datasets", json={"name": "p", "path": path})) == (422, "path_not_found")

    def test_paths_that_cannot_be_followed(self, client, settings):
        root = settings.dataset_roots[0]
        (root / "loop").symlink_to(root / "loop")
        for path in (root / ("x" * 300), root / "loop", root / "loop" / "pets"):
            answer = client.post("/v1/datasets", json={"name": "p", "path": str(path)})
            assert code(answer) == (422, "path_not_found"), path

    def test_the_disk_never_holds_up_other_requests(self, client, folder, monkeypatch):
        def look(*_):
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            return folder

        monkeypatch.setattr("app.datasets.service.allowed_folder", look)
        response = client.post("/v1/datasets", json={"name": "pets", "path": str(folder)})
        assert response.status_code == 202

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"{", (400, "malformed_json")),
            (b"[" * 100_000, (400, "malformed_json")),
            (b"\xff", (400, "malformed_json")),
            (b"[]", (422, "wrong_type")),
            (b"{}", (422, "missing_field")),
            (json.dumps({"name": "p", "path": "/a\0b"}).encode(), (422, "invalid_value")),
            (json.dumps({"name": "p", "path": "/", "x": 1}).encode(), (422, "unknown_field")),
        ],
    )
    def test_bodies(self, client, body, expected):
        headers = {"Content-Type": "application/json"}
        assert code(client.post("/v1/datasets", content=body, headers=headers)) == expected

    def test_a_json_body_too_large(self, client, settings):
        body = json.dumps({"name": "pets", "path": "/" + "x" * settings.max_body_bytes})
        answer = client.post("/v1/datasets", content=body, headers={"Content-Type": "application/json"})
        assert code(answer) == (413, "body_too_large")


class TestDelete:
    def test_the_images_go_with_it(self, client, upload, check_all, settings):
        upload()
        check_all()
        assert client.delete("/v1/datasets/pets").status_code == 204
        assert code(client.get("/v1/datasets/pets")) == (404, "unknown_dataset")
        assert list(settings.folder("datasets/uploaded").iterdir()) == []

    def test_before_its_check_the_upload_goes(self, client, upload, settings, check_all):
        upload()
        assert client.delete("/v1/datasets/pets").status_code == 204
        assert uploads(settings) == []
        check_all()
