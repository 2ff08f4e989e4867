"""Settings: what wins over what, and how the values read."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.config import Settings, prepare_environment_for_trainings, store_client_options


class TestPrecedence:
    def test_flags_before_variables_before_the_file(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        Path("supercycle.env").write_text(
            "SUPERCYCLE_SWEEP_SECONDS=7\nSUPERCYCLE_LEASE_SECONDS=8\nSUPERCYCLE_HEARTBEAT_SECONDS=9\n"
        )
        monkeypatch.setenv("SUPERCYCLE_LEASE_SECONDS", "80")
        monkeypatch.setenv("SUPERCYCLE_HEARTBEAT_SECONDS", "90")
        settings = Settings(heartbeat_seconds=900)
        assert (settings.sweep_seconds, settings.lease_seconds, settings.heartbeat_seconds) == (7, 80, 900)
        assert settings.lease == timedelta(seconds=80)

    def test_the_defaults_are_embedded(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        settings = Settings()
        here = tmp_path / "supercycle-data"
        assert settings.database == f"sqlite:///{here}/supercycle.db"
        assert settings.broker == "atomicfs://localhost/"
        assert settings.storage == f"file://{here}/storage"
        assert (settings.lease_seconds, settings.heartbeat_seconds, settings.sweep_seconds) == (30, 5, 2)

    def test_urls_replace_the_embedded_parts(self):
        settings = Settings(database_url="postgresql://db/x", broker_url="redis://r/0", storage_url="s3://bucket")
        assert (settings.database, settings.broker, settings.storage) == (
            "postgresql://db/x",
            "redis://r/0",
            "s3://bucket",
        )

    def test_folders_are_made_when_asked_for(self, tmp_path):
        settings = Settings(data_dir=tmp_path / "data")
        assert not (tmp_path / "data").exists()
        assert settings.folder("datasets/uploaded") == tmp_path / "data" / "datasets" / "uploaded"
        assert (tmp_path / "data" / "datasets" / "uploaded").is_dir()


class TestValues:
    @pytest.mark.parametrize(
        ("text", "roots"),
        [("", []), ("/a", ["/a"]), (os.pathsep.join(["/a", "/b c"]), ["/a", "/b c"]), (f"/a{os.pathsep}", ["/a"])],
    )
    def test_dataset_roots_read_like_path(self, monkeypatch, text, roots):
        monkeypatch.setenv("SUPERCYCLE_DATASET_ROOTS", text)
        assert Settings().dataset_roots == [Path(root) for root in roots]

    def test_empty_is_as_if_it_were_not_set(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        Path("supercycle.env").write_text("SUPERCYCLE_MAX_RUNNING_PER_OWNER=\n")
        usual = Settings()
        for name in Settings.model_fields:
            monkeypatch.setenv(f"SUPERCYCLE_{name.upper()}", "")
        assert Settings() == usual

    def test_an_empty_key_is_none(self, monkeypatch):
        monkeypatch.setenv("SUPERCYCLE_API_KEY", "")
        assert Settings().api_key is None

    def test_the_key_is_not_printed(self, monkeypatch):
        monkeypatch.setenv("SUPERCYCLE_API_KEY", "sc_hidden")
        assert "sc_hidden" not in repr(Settings())
        assert Settings().api_key.get_secret_value() == "sc_hidden"

    @pytest.mark.parametrize("name", ["lease_seconds", "heartbeat_seconds", "sweep_seconds", "max_body_bytes"])
    def test_durations_and_sizes_are_positive(self, name):
        with pytest.raises(ValidationError, match=name):
            Settings(**{name: 0})


class TestTrainings:
    def test_they_find_no_setting(self, monkeypatch):
        secret = "postgresql://user:secret@db/x"
        environment = {
            "SUPERCYCLE_API_KEY": "sc_x",
            "SUPERCYCLE_DATABASE_URL": secret,
            "SUPERCYCLER": "somebody else's",
        }
        monkeypatch.setattr(os, "environ", environment)
        prepare_environment_for_trainings()
        added = {"OMP_WAIT_POLICY": "PASSIVE", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        if sys.platform == "linux":
            added |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
        assert environment == {"SUPERCYCLER": "somebody else's"} | added

    def test_what_the_operator_says_stays(self, monkeypatch):
        environment = {"OMP_WAIT_POLICY": "ACTIVE", "CUBLAS_WORKSPACE_CONFIG": ":16:8"}
        environment |= {"GLOO_SOCKET_IFNAME": "eth0", "NCCL_SOCKET_IFNAME": "eth0"}
        monkeypatch.setattr(os, "environ", dict(environment))
        prepare_environment_for_trainings()
        assert os.environ == environment


class TestStoreClient:
    @pytest.mark.parametrize(
        ("environment", "options"),
        [
            ({"AWS_REGION": "eu-west-1"}, {}),
            ({"AWS_ENDPOINT_URL": "https://minio"}, {}),
            ({"AWS_ENDPOINT_URL": "http://minio:9000"}, {"allow_http": "true"}),
            ({"AWS_ENDPOINT_URL_S3": "http://minio:9000"}, {"allow_http": "true"}),
            ({"AWS_ENDPOINT_URL": "http://minio", "AWS_ALLOW_HTTP": "false"}, {"allow_http": "false"}),
            ({"AWS_PROXY_URL": "http://proxy:3128"}, {"proxy_url": "http://proxy:3128"}),
        ],
    )
    def test_reads_what_is_set(self, monkeypatch, environment, options):
        monkeypatch.setattr(os, "environ", environment)
        assert store_client_options() == options
