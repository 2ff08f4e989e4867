"""What the data sets of one owner may take, and what the disk must keep: nobody is let in, or left in, beyond it."""

import threading

import pytest
from fastapi.testclient import TestClient

from app.api_keys import service as keys
from app.callers import Scope
from app.datasets.quotas import Arrivals, Holdings, Quota
from app.datasets.room import FRAME_BYTES, Room
from app.datasets.service import NewDataset
from app.datasets.service import add as add_dataset
from app.errors import Conflict, StorageFull
from app.ids import new_id
from app.main import create_app

KIB, MIB = 1 << 10, 1 << 20


def refused(response):
    problem = response.json()
    return response.status_code, problem["code"]


def uploads(settings):
    return list(settings.folder("uploads").iterdir())


class TestSets:
    @pytest.fixture(autouse=True)
    def _limit(self, settings):
        settings.max_datasets_per_owner = 2

    def test_one_more_than_may_be(self, client, upload, settings):
        assert [upload(name).status_code for name in ("one", "two")] == [202, 202]
        answer = upload("three")
        assert refused(answer) == (409, "quota_exceeded")
        assert "has 2 data sets, which is as many as may be" in answer.json()["detail"]
        assert "one (" in answer.json()["hint"]
        assert answer.json()["title"] == "The data sets of the owner take as much as they may"
        assert len(uploads(settings)) == 2

    def test_room_is_made_by_deleting(self, client, upload):
        upload("one"), upload("two")
        client.delete("/v1/datasets/one")
        assert upload("three").status_code == 202

    def test_folders_of_the_server_count(self, client, upload, settings):
        upload("one"), upload("two")
        answer = client.post("/v1/datasets", json={"name": "three", "path": str(settings.dataset_roots[0])})
        assert refused(answer) == (409, "quota_exceeded")

    def test_each_owner_has_their_own(self, settings, queue, pack, images):
        with TestClient(create_app(settings, queue=queue), base_url="http://127.0.0.1") as client:
            with client.app.state.parts.database.transaction() as session:
                made = [keys.create(session, owner=owner, scopes=[Scope.SUBMIT]) for owner in ("ann", "bob")]
            codes = []
            for key in made:
                header = {"Authorization": f"Bearer {key.token}"}
                for number in range(3):
                    files = {"file": ("a", pack(images))}
                    answer = client.post("/v1/datasets", data={"name": f"s{number}"}, files=files, headers=header)
                    codes.append(answer.status_code)
        assert codes == [202, 202, 409] * 2

    def test_a_repeated_request_hears_its_answer_all_the_same(self, client, pack, images):
        def send():
            files, header = {"file": ("a", pack(images))}, {"Idempotency-Key": "k"}
            return client.post("/v1/datasets", data={"name": "two"}, files=files, headers=header)

        client.post("/v1/datasets", data={"name": "one"}, files={"file": ("a", b"x")})
        first, again = send(), send()
        assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())


class TestBytes:
    def test_a_body_that_is_too_long_is_not_waited_for(self, client, settings):
        settings.max_dataset_bytes_per_owner = MIB
        taken = []

        def body():
            for _ in range(64):
                taken.append(1)
                yield bytes(MIB)

        headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(64 * MIB)}
        answer = client.post("/v1/datasets", content=body(), headers=headers)
        assert refused(answer) == (409, "quota_exceeded")
        assert "more than 1,048,576" in answer.json()["detail"]
        assert len(taken) <= 1
        assert uploads(settings) == []

    def test_one_without_a_length_is_cut_short(self, client, settings):
        settings.max_dataset_bytes_per_owner = 3 * MIB
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        body = (piece for piece in [head, *[bytes(MIB)] * 8, b"\r\n--x--\r\n"])
        answer = client.post("/v1/datasets", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert refused(answer) == (409, "quota_exceeded")
        assert uploads(settings) == []

    def test_what_is_held_counts(self, client, settings):
        settings.max_dataset_bytes_per_owner = MIB
        first = client.post("/v1/datasets", data={"name": "one"}, files={"file": ("a", bytes(700 * KIB))})
        assert first.json()["size"] == 700 * KIB
        answer = client.post("/v1/datasets", data={"name": "two"}, files={"file": ("a", bytes(400 * KIB))})
        assert refused(answer) == (409, "quota_exceeded")
        assert "has data sets of 716,800 bytes" in answer.json()["detail"]
        assert "one (716,800 bytes)" in answer.json()["hint"]

    def test_a_set_counts_by_its_images_and_an_invalid_one_not_at_all(self, client, upload, images, check_all):
        upload("pets")
        client.post("/v1/datasets", data={"name": "none"}, files={"file": ("a", b"hello")})
        check_all()
        sizes = {name: client.get(f"/v1/datasets/{name}").json()["size"] for name in ("pets", "none", "digits")}
        assert sizes == {"pets": sum(map(len, images.values())), "none": None, "digits": None}

    @pytest.mark.parametrize("form", ["zip", "w:gz", "npz"])
    def test_one_that_unpacks_to_more_is_invalid(self, client, pack, settings, check_all, form):
        files = {f"{kind}/{number}.bmp": bytes(50 * KIB) for kind in ("cat", "dog") for number in range(4)}
        data = pack({"x_train.npy": bytes(500 * KIB)}) if form == "npz" else pack(files, form)
        client.post("/v1/datasets", data={"name": "pets"}, files={"file": ("a", data)})
        check_all(quota=Quota(most_bytes=100 * KIB))
        pets = client.get("/v1/datasets/pets").json()
        assert [problem["code"] for problem in pets["report"]["problems"]] == ["quota_exceeded"]
        assert "102,400 bytes" in pets["report"]["problems"][0]["detail"]
        assert uploads(settings) == list(settings.folder("datasets/uploaded").iterdir()) == []

    def test_what_the_others_take_leaves_less(self, client, upload, images, check_all):
        upload("one")
        check_all()
        upload("two")
        check_all(quota=Quota(most_bytes=sum(map(len, images.values())) + 100))
        assert [client.get(f"/v1/datasets/{name}").json()["state"] for name in ("one", "two")] == ["ready", "invalid"]


class TestTogether:
    """Uploads that are under way at the same time."""

    def room(self, arrivals, arrival, tmp_path, **quota):
        settings = {"most_bytes": 100 * MIB, "floor_bytes": 0, "folder": tmp_path, "held": Holdings("ann")}
        return Room(arrival=arrival, arrivals=arrivals, quota=Quota(**quota), **settings)

    def test_the_one_that_began_first_goes_on(self, tmp_path):
        arrivals = Arrivals()
        with arrivals.one("ann") as first, arrivals.one("ann") as second, arrivals.one("bob") as other:
            rooms = [self.room(arrivals, one, tmp_path, most_sets=1) for one in (first, second, other)]
            rooms[0].begin(None)
            with pytest.raises(Conflict, match="1 data sets"):
                rooms[1].begin(None)
            rooms[0].take(MIB)
            rooms[2].begin(None)

    def test_their_bytes_add_up(self, tmp_path):
        arrivals = Arrivals()
        with arrivals.one("ann") as second:
            with arrivals.one("ann") as first:
                rooms = [self.room(arrivals, one, tmp_path, most_bytes=10 * MIB) for one in (first, second)]
                rooms[0].begin(6 * MIB + FRAME_BYTES)
                with pytest.raises(Conflict, match="of 6,291,456 bytes"):
                    rooms[1].begin(5 * MIB + FRAME_BYTES)
                rooms[1].begin(None)
                with pytest.raises(Conflict):
                    rooms[1].take(5 * MIB)
            rooms[1].take(5 * MIB)  # the other has gone


class TestDatabases:
    @pytest.fixture(params=["sqlite", "postgresql"])
    def settings(self, request):
        return request.getfixturevalue(f"{request.param}_settings")

    def test_of_many_at_once_as_many_as_may_be_are_stored(self, database, tmp_path):
        outcomes = []

        def add(number):
            new = NewDataset(new_id("ds"), "ann", f"s{number}", "uploaded", path=tmp_path, upload=tmp_path, size=40)
            try:
                with database.transaction() as session:
                    add_dataset(session, new, Quota(most_sets=5, most_bytes=100))
                outcomes.append("stored")
            except Conflict as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(outcomes) == ["quota_exceeded"] * 4 + ["stored"] * 2


class TestFloor:
    def test_nothing_is_taken_below_it(self, client, upload, settings):
        settings.disk_floor_bytes = 1 << 60
        answer = upload("pets")
        assert refused(answer) == (507, "storage_full")
        assert uploads(settings) == []

    def test_a_body_that_would_lead_below_it_is_not_waited_for(self, tmp_path):
        arrivals = Arrivals()
        with arrivals.one("ann") as arrival:
            room = Room(1 << 62, 0, tmp_path, arrival=arrival, arrivals=arrivals, quota=Quota(), held=Holdings("ann"))
            room.begin(MIB)
            with pytest.raises(StorageFull):
                room.begin(1 << 61)

    def test_it_is_looked_at_while_an_upload_comes_in(self, client, settings, monkeypatch):
        asked = []

        def free(folder):
            asked.append(folder)
            return settings.disk_floor_bytes + (1 if len(asked) < 2 else -1)

        monkeypatch.setattr("app.datasets.room.free_bytes", free)
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        body = (piece for piece in [head, *[bytes(MIB)] * 8, b"\r\n--x--\r\n"])
        answer = client.post("/v1/datasets", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert refused(answer) == (507, "storage_full")
        assert len(asked) == 2
        assert uploads(settings) == []

    @pytest.mark.parametrize("form", ["zip", "npz"])
    def test_nothing_is_unpacked_below_it(self, client, upload, pack, settings, check_all, form):
        upload("pets", files={"x_train.npy": b"x"} if form == "npz" else None)
        check_all(floor_bytes=1 << 60)
        pets = client.get("/v1/datasets/pets").json()
        assert [problem["code"] for problem in pets["report"]["problems"]] == ["storage_full"]
        assert uploads(settings) == list(settings.folder("datasets/uploaded").iterdir()) == []
