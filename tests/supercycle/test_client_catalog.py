import io
import json
import re
import tarfile

import pytest

from supercycle import ProblemError
from supercycle.errors import WaitTimeout
from supercycle.uploads import upload_of


class TestAddDataset:
    def test_packs_a_folder(self, service, client, canned, tmp_path):
        (tmp_path / "cats" / "tabby").mkdir(parents=True)
        (tmp_path / "cats" / "tabby" / "1.png").write_bytes(b"png")
        (tmp_path / "cats" / ".DS_Store").write_bytes(b"x")
        service.answers["POST /v1/datasets"] = canned({"name": "cats", "state": "validating"}, 202)
        assert client.add_dataset("cats", tmp_path / "cats")["state"] == "validating"
        (request,) = service.requests
        archive = request.body.partition(b'filename="cats.tar"')[2].partition(b"\r\n\r\n")[2]
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r|") as packed:
            assert [member.name for member in packed] == ["tabby", "tabby/1.png"]
        assert int(request.headers["Content-Length"]) == len(request.body)

    def test_tells_how_much_was_sent(self, service, client, canned, tmp_path):
        (tmp_path / "cats.zip").write_bytes(bytes(100_000))
        service.answers["POST /v1/datasets"] = canned({"name": "cats"}, 202)
        told = []
        client.add_dataset("cats", tmp_path / "cats.zip", progress=lambda *fact: told.append(fact))
        assert told == [("cats.zip", 65_536, 100_000), ("cats.zip", 100_000, 100_000)]

    def test_a_folder_that_changes_while_it_is_sent(self, service, client, canned, tmp_path):
        (tmp_path / "cats").mkdir()
        (tmp_path / "cats" / "1.png").write_bytes(b"png")
        upload = upload_of(tmp_path / "cats")
        (tmp_path / "cats" / "1.png").write_bytes(bytes(9000))
        with pytest.raises(OSError, match="changed while it was sent"):
            client.add_dataset("cats", upload)

    def test_sends_an_archive_as_it_is(self, service, client, canned, tmp_path):
        (tmp_path / "cats.zip").write_bytes(b"PK-content")
        service.answers["POST /v1/datasets"] = canned({"name": "cats"}, 202)
        client.add_dataset("cats", tmp_path / "cats.zip")
        assert b'filename="cats.zip"' in service.requests[0].body
        assert b"PK-content" in service.requests[0].body

    def test_sends_what_was_asked_for_and_nothing_else(self, service, client, canned, tmp_path):
        (tmp_path / "cats.zip").write_bytes(b"PK-content")
        service.answers["POST /v1/datasets"] = canned({"name": "cats"}, 202)
        client.add_dataset("cats", tmp_path / "cats.zip", test_fraction=0.25, split_seed=0, on_bad_file="skip")
        client.add_dataset("cats", tmp_path / "cats.zip")
        given, plain = (dict(re.findall(rb'name="(\w+)"\r\n\r\n([^\r]*)\r', sent.body)) for sent in service.requests)
        assert given == {b"name": b"cats", b"test_fraction": b"0.25", b"split_seed": b"0", b"on_bad_file": b"skip"}
        assert plain == {b"name": b"cats"}

    def test_nothing_there(self, client, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"nope\.npz does not exist"):
            client.add_dataset("cats", tmp_path / "nope.npz")

    def test_waits_for_the_end_of_the_check(self, service, client, canned, monkeypatch):
        monkeypatch.setattr("supercycle.client.CHECK_POLL_SECONDS", 0.01)
        states = [canned({"name": "cats", "state": state}) for state in ("validating", "validating", "ready")]
        service.answers["GET /v1/datasets/cats"] = states
        assert client.wait_for_dataset("cats")["state"] == "ready"
        assert len(service.requests) == 3

    def test_waits_no_longer_than_it_was_told(self, service, client, canned):
        service.answers["GET /v1/datasets/cats"] = canned({"name": "cats", "state": "validating"})
        with pytest.raises(WaitTimeout, match="cats is still validating after 0 s"):
            client.wait_for_dataset("cats", timeout=0)

    def test_registers_a_folder_of_the_server(self, service, client, canned):
        service.answers["POST /v1/datasets"] = canned({"name": "cats"}, 202)
        client.register_dataset("cats", "/srv/cats")
        client.register_dataset("cats", "/srv/cats", test_fraction=0.0, split_seed=3, on_bad_file="skip")
        plain, given = (json.loads(request.body) for request in service.requests)
        assert plain == {"name": "cats", "path": "/srv/cats"}
        assert given == plain | {"test_fraction": 0.0, "split_seed": 3, "on_bad_file": "skip"}


class TestDeleteDataset:
    def test_by_name(self, service, client, canned):
        service.answers["DELETE /v1/datasets/cats"] = canned(status=204)
        client.delete_dataset("cats")
        assert len(service.sent("DELETE", "/v1/datasets/cats")) == 1

    def test_a_refusal_is_a_problem_and_is_not_sent_again(self, service, client, canned):
        problem = {"title": "In use", "code": "dataset_in_use", "detail": "A job needs cats.", "hint": "Cancel it."}
        service.answers["DELETE /v1/datasets/cats"] = canned(problem, 409)
        with pytest.raises(ProblemError, match="A job needs cats") as caught:
            client.delete_dataset("cats")
        assert (caught.value.status, caught.value.code) == (409, "dataset_in_use")
        assert len(service.requests) == 1

    def test_nothing_of_no_name(self, service, client):
        with pytest.raises(ValueError, match="must not be empty"):
            client.delete_dataset("")
        assert service.requests == []


class TestArchitectures:
    def test_all_and_one(self, service, client, canned):
        lenet, mlp = {"name": "lenet", "options": {}}, {"name": "mlp", "options": {"width": {"default": 512}}}
        service.answers["GET /v1/architectures"] = canned({"items": [lenet, mlp], "next_cursor": None})
        service.answers["GET /v1/architectures/mlp"] = canned(mlp)
        assert client.architectures() == [lenet, mlp]
        assert client.architecture("mlp") == mlp
        assert service.requests[0].query == {}  # the service refuses parameters that it does not know
