"""The container files: that they are sound, and that they name settings and commands that exist."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config import Settings

ROOT = Path(__file__).parents[1]
PARTS = ["migrate", "api", "keeper", "worker", "worker-1", "worker-both"]

# Every other setting is the operator's, who sets it where compose is started.
NOT_THE_STARTERS = {
    "SUPERCYCLE_DATA_DIR": "the image's, where the volume is mounted",
    "SUPERCYCLE_DATABASE_URL": "leads to the PostgreSQL in here, whose password can be set",
    "SUPERCYCLE_BROKER_URL": "leads to the Redis in here",
    "SUPERCYCLE_API_KEY": "required, and the API's alone",
}


class ComposeLoader(yaml.SafeLoader):
    """YAML as compose reads it: `!reset` takes away what an earlier file said."""


RESET = object()
ComposeLoader.add_constructor("!reset", lambda loader, node: RESET)


def load(name: str) -> dict[str, Any]:
    return yaml.load((ROOT / name).read_text(), ComposeLoader)  # noqa: S506 - a SafeLoader


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return load("docker-compose.yml")["services"]


class TestCompose:
    def test_every_part_is_there(self, services):
        assert set(services) == {*PARTS, "postgres", "redis"}

    @pytest.mark.parametrize("part", PARTS)
    def test_parts_share_image_and_volume(self, services, part):
        assert services[part]["image"] == "supercycle"
        assert services[part]["volumes"] == ["data:/data"]

    @pytest.mark.parametrize("part", PARTS)
    def test_settings_exist(self, services, part):
        known = {f"SUPERCYCLE_{name.upper()}" for name in Settings.model_fields}
        given = {name for name in services[part]["environment"] if not name.startswith("AWS_")}
        assert given <= known

    @pytest.mark.parametrize("part", PARTS)
    def test_no_setting_is_out_of_an_operators_reach(self, services, part):
        settings = {f"SUPERCYCLE_{name.upper()}" for name in Settings.model_fields}
        given = services[part]["environment"]
        passed_on = {name for name in settings if name in given and given[name] is None}
        assert settings - passed_on == set(NOT_THE_STARTERS)

    @pytest.mark.parametrize("part", PARTS)
    def test_neither_is_what_leads_to_the_bucket(self, services, part):
        explained = set(re.findall(r"`(AWS_[A-Z0-9_]+)`", (ROOT / "docs/howto/deploy.md").read_text()))
        assert {name for name in services[part]["environment"] if name.startswith("AWS_")} == explained

    def test_settings_are_valid(self, services, monkeypatch):
        given = {name: value for name, value in services["worker"]["environment"].items() if value is not None}
        for name, value in given.items():
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(\w+)\}", r"\1", value))
        settings = Settings()
        assert settings.database == "postgresql+psycopg://supercycle:supercycle@postgres:5432/supercycle"
        assert settings.broker == "redis://redis:6379/0"

    @pytest.mark.parametrize("part", PARTS)
    def test_commands_exist(self, services, part):
        name, *options = shlex.split(services[part]["command"])
        command = [Path(sys.executable).with_name("supercycle"), name, "--help"]
        environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb"}
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr
        assert all(option in shown.stdout for option in options if option.startswith("--"))

    def test_the_key_is_required_and_only_the_api_has_it(self, services):
        assert services["api"]["environment"]["SUPERCYCLE_API_KEY"].startswith("${SUPERCYCLE_API_KEY:?")
        holders = [name for name, part in services.items() if "SUPERCYCLE_API_KEY" in part.get("environment", {})]
        assert holders == ["api"]

    def test_only_the_api_is_reachable_from_outside(self, services):
        assert [name for name, part in services.items() if "ports" in part] == ["api"]

    @pytest.mark.parametrize("part", ["api", "keeper", "worker"])
    def test_parts_start_after_the_migration(self, services, part):
        conditions = {name: entry["condition"] for name, entry in services[part]["depends_on"].items()}
        assert conditions == {"migrate": "service_completed_successfully", "redis": "service_healthy"}

    def test_what_is_waited_for_healthy_has_a_healthcheck(self, services):
        waited_for = {
            name
            for part in services.values()
            for name, entry in part.get("depends_on", {}).items()
            if entry["condition"] == "service_healthy"
        }
        assert waited_for == {"postgres", "redis"}
        assert all("healthcheck" in services[name] for name in waited_for | {"api"})

    def test_redis_never_drops_a_hint_by_itself(self, services):
        command = services["redis"]["command"]
        assert "--appendonly yes" in command
        assert "--maxmemory-policy noeviction" in command

    def test_named_volumes_are_declared(self, services):
        used = {mount.partition(":")[0] for part in services.values() for mount in part["volumes"]}
        assert set(load("docker-compose.yml")["volumes"]) == used

    @pytest.mark.parametrize(("worker", "gpus"), [("worker", ["0"]), ("worker-1", ["1"]), ("worker-both", ["0", "1"])])
    def test_a_worker_uses_the_gpus_it_reserves(self, services, worker, gpus):
        (device,) = services[worker]["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "device_ids": gpus, "capabilities": ["gpu"]}
        # Within the container those it has are counted from 0.
        names = ",".join(f"cuda:{number}" for number in range(len(gpus)))
        assert services[worker]["command"] == f"worker --devices {names}"

    def test_one_gpu_is_enough_to_begin_with(self, services):
        assert [name for name in services if "profiles" in services[name]] == ["worker-1", "worker-both"]

    def test_where_files_lie_is_the_starter_s_to_say(self, services):
        passed_on = {name for name, value in services["worker"]["environment"].items() if value is None}
        assert passed_on >= {"SUPERCYCLE_STORAGE_URL", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


class TestCpuOverride:
    def test_it_moves_the_worker_to_the_cpu_and_changes_nothing_else(self):
        worker = {"command": "worker --devices cpu", "deploy": RESET}
        assert load("docker-compose.cpu.yml") == {"services": {"worker": worker}}


class TestDockerfile:
    text = (ROOT / "Dockerfile").read_text()

    def test_it_installs_what_was_tested(self):
        assert "--constraint constraints.txt" in self.text

    def test_it_does_not_run_as_root(self):
        users = re.findall(r"^USER (\S+)$", self.text, re.MULTILINE)
        assert users[-1:] == ["supercycle"]

    def test_it_copies_only_what_dockerignore_lets_through(self):
        let_through = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
        copied = {name for line in re.findall(r"^COPY (.+) \S+$", self.text, re.MULTILINE) for name in line.split()}
        assert copied == let_through
        assert all((ROOT / name).exists() for name in copied)
