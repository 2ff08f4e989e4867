"""What the page on deploying says to type, typed: one machine that others reach, several hosts, a bucket."""

import json

import httpx
import pytest

from tests.pages import step

SPEC = {"kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": 1, "schedule": {"max_lr": 0.05}}
KEY = "sc_of_the_test"

pytestmark = pytest.mark.verify


def test_one_machine(usual_host):
    usual_host.spawn(["bash", "-euc", step(__file__, "one machine")])
    service = usual_host.ready().url
    assert httpx.get(f"{service}/v1/jobs").status_code == 401
    assert httpx.get(f"{service}/healthz", headers={"Host": "elsewhere.example"}).status_code == 200


def test_several_hosts(usual_host, typed, empty_postgresql, redis_url):
    urls = {"SUPERCYCLE_DATABASE_URL": empty_postgresql(), "SUPERCYCLE_BROKER_URL": redis_url}
    settings = urls | {"SUPERCYCLE_API_KEY": KEY}
    migrate, *parts = step(__file__, "several hosts").splitlines()
    assert "is at revision" in typed(migrate, **settings)
    for part in parts:
        usual_host.spawn(["bash", "-c", part], **settings)
    client = usual_host.ready(api_key=KEY)
    assert client.submit(SPEC).wait(timeout=90).state == "succeeded"


def test_lifecycle(typed, s3_server):
    key = s3_server.environment
    httpx.put(f"{s3_server.address}/supercycle").raise_for_status()  # the bucket that the page names
    typed(step(__file__, "lifecycle"), **key)
    shown = json.loads(typed("aws s3api get-bucket-lifecycle-configuration --bucket supercycle", **key))
    assert shown["Rules"][0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
