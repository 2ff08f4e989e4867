"""Arrays through the door for datasets: npz and IDX, uploaded and registered."""

import gzip
import io
import struct

import numpy as np
import pytest

from worker.datasets.opening import open_dataset
from worker.datasets.source import DatasetSource

IMAGES = np.zeros((6, 4, 6), np.uint8)
IMAGES[1::2] = 204
LABELS = np.array([7, 9] * 3)


def npz(**arrays):
    target = io.BytesIO()
    np.savez(target, **arrays)
    return target.getvalue()


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


MNIST_LIKE = {
    "mine/train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES)),
    "mine/train-labels-idx1-ubyte": idx(LABELS.astype(np.uint8)),
    "mine/t10k-images-idx3-ubyte": idx(IMAGES[:2]),
    "mine/t10k-labels-idx1-ubyte": idx(LABELS[:2].astype(np.uint8)),
}
KERAS = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:2], "y_test": LABELS[:2]}


@pytest.fixture
def added(client, check_all):
    """Upload bytes; the dataset once it was checked."""

    def add(data, name="mine"):
        answer = client.post("/v1/datasets", data={"name": name}, files={"file": ("a", data)})
        assert answer.status_code == 202
        check_all()
        return client.get(answer.headers["Location"]).json()

    return add


class TestReady:
    @pytest.mark.parametrize("form", ["npz", "npz in a zip", "IDX in a tar.gz"])
    def test_every_form_is_the_same_dataset(self, added, pack, settings, tmp_path, form):
        files = {"data/mnist.npz": npz(**KERAS)} if form == "npz in a zip" else MNIST_LIKE
        mine = added(npz(**KERAS) if form == "npz" else pack(files, "w:gz" if form.endswith("gz") else "zip"))
        assert mine["state"] == "ready", mine["report"]
        assert mine["classes"] == ["7", "9"]
        assert mine["counts"] == {"train": {"7": 3, "9": 3}, "test": {"7": 1, "9": 1}}
        assert mine["image"] == {"mode": "L", "min": [6, 4], "max": [6, 4]}
        assert mine["channel_mean"] == pytest.approx([0.4])  # half 0, half 204 / 255
        assert mine["channel_std"] == pytest.approx([0.4])
        assert mine["report"]["found"] == "2 classes, 6 training and 2 test images; 6 × 4, grey."
        assert list(settings.folder("uploads").iterdir()) == []
        source = DatasetSource(
            "uploaded", "mine", settings.folder("datasets/uploaded") / mine["id"], mine["version"], "L", 4
        )
        opened = open_dataset(source, target_size=4, cache_root=tmp_path / "cache", on_progress=lambda *_: None)
        assert opened.version == mine["version"]
        np.testing.assert_array_equal(opened.dataset.train.pixels[:, 0], IMAGES[:, :, 1:5])

    def test_colour_with_names(self, added):
        colour = np.stack([IMAGES, IMAGES // 2, IMAGES * 0], axis=-1)
        mine = added(npz(images=colour / 255, labels=LABELS // 9, class_names=["ant", "bee"], weights=[1.0]))
        assert (mine["classes"], mine["image"]["mode"]) == (["ant", "bee"], "RGB")
        assert mine["channel_mean"] == pytest.approx([0.4, 0.2, 0.0])
        assert mine["report"]["found"].endswith("6 × 4, colour. Not used: weights.")

    def test_black_and_white(self, added):
        mine = added(npz(images=(IMAGES > 0).astype(np.uint8), labels=LABELS))
        assert mine["channel_mean"] == pytest.approx([0.5])
        assert mine["report"]["found"].endswith("6 × 4, grey. No value is above 1, so 1 was taken for white.")

    def test_registered(self, client, settings, check_all):
        folder = settings.dataset_roots[0] / "mine"
        folder.mkdir()
        (folder / "mine.npz").write_bytes(npz(**KERAS))
        assert client.post("/v1/datasets", json={"name": "mine", "path": str(folder)}).status_code == 202
        check_all()
        mine = client.get("/v1/datasets/mine").json()
        assert (mine["kind"], mine["state"], mine["classes"]) == ("registered", "ready", ["7", "9"])
        assert [path.name for path in folder.iterdir()] == ["mine.npz"]


NAN = np.where(np.arange(6)[:, None, None] == 4, np.nan, IMAGES / 255)


class TestInvalid:
    def test_the_array_is_named(self, added, settings):
        mine = added(npz(**KERAS | {"x_train": NAN}))
        assert mine["state"] == "invalid"
        [problem] = mine["report"]["problems"]
        assert (problem["code"], problem["path"]) == ("not_finite", "x_train")
        assert "x_train[4, 0, 0] is nan" in problem["detail"]
        assert problem["hint"]
        assert ".npz" in mine["report"]["expected"]
        assert list(settings.folder("datasets/uploaded").iterdir()) == []

    def test_a_single_class_of_pictures(self, client, upload, images, check_all):
        upload(files={name: data for name, data in images.items() if "/cat/" in name})
        check_all()
        [problem] = client.get("/v1/datasets/pets").json()["report"]["problems"]
        assert problem["code"] == "too_few_classes"
        assert "only 'cat'" in problem["detail"]
