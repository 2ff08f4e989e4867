"""Images of one's own, from the archive to the confusion matrix: the 60,000 JPEGs of CIFAR-10 over HTTP."""

import time
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

CIFAR = Path(__file__).parents[3] / "shared" / "data" / "cifar10-jpeg.tar.xz"
NETWORK = {"architecture": {"name": "resnet9", "width": 16}, "batch_size": 128, "precision": "fp32", "compile": "off"}
CHANCE = 0.1


def picture(http, path):
    answer = http.get(path).raise_for_status()
    assert answer.headers["content-type"] == "image/png"
    with Image.open(BytesIO(answer.content)) as opened:
        return opened.convert("RGB")


def ended(http, body):
    """A job on the set, once it has succeeded."""
    id = http.post("/v1/jobs", json=body | {"dataset": "cifar10-jpeg"} | NETWORK).raise_for_status().json()["id"]
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        job = http.get(f"/v1/jobs/{id}", headers={"Prefer": "wait=10"}).json()
        if job["finished_at"]:
            assert job["state"] == "succeeded", job["error"]
            return job
    raise AssertionError(f"the job did not end: {job}")


@pytest.fixture(scope="module")
def http(service):
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def dataset(http):
    """The set as it is once it was checked."""
    if not CIFAR.exists():
        pytest.skip("../shared/data has no CIFAR-10")
    with CIFAR.open("rb") as file:
        answer = http.post("/v1/datasets", data={"name": "cifar10-jpeg"}, files={"file": (CIFAR.name, file)})
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + 300
    while (found := http.get("/v1/datasets/cifar10-jpeg").json())["state"] == "validating":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return found


@pytest.mark.verify
class TestCifar:
    def test_its_report(self, http, dataset):
        assert dataset["state"] == "ready", dataset["report"]
        assert sum(dataset["counts"]["train"].values()) == 50_000
        assert dataset["counts"]["test"] == dict.fromkeys(dataset["classes"], 1000)
        assert dataset["image"] == {"mode": "RGB", "min": [32, 32], "max": [32, 32]}
        assert dataset["report"]["problems"] == []
        sheet = picture(http, dataset["preview"])
        assert len(sheet.getcolors(1 << 24)) > 10_000

    def test_a_range_test_and_a_short_cycle(self, http, dataset):
        swept = ended(http, {"kind": "range_test", "steps": 100})
        rate = swept["result"]["max_lr"]
        assert 1e-3 < rate < 10
        assert picture(http, f"/v1/jobs/{swept['id']}/plots/range_test.png").width >= 800

        trained = ended(http, {"kind": "training", "epochs": 2, "schedule": {"policy": "one_cycle", "max_lr": rate}})
        assert trained["resolved"]["dataset"]["value"] == dataset["version"]
        accuracy = trained["result"]["test_accuracy"]
        assert accuracy > 5 * CHANCE
        self.confused(http, trained["id"], accuracy)

    def confused(self, http, job, accuracy):
        """The confusion matrix has every test image, and as many on its diagonal as the accuracy says."""
        found = http.get(f"/v1/jobs/{job}/artifacts/confusion_matrix.json").raise_for_status().json()
        assert found["split"] == "test"
        assert [sum(row) for row in found["counts"]] == [1000] * 10
        right = sum(found["counts"][at][at] for at in range(10))
        assert right / 10_000 == pytest.approx(accuracy)
        assert picture(http, f"/v1/jobs/{job}/plots/confusion_matrix.png").width >= 800
