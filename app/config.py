"""Settings, the only reader of the environment."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECRET_PREFIXES = ("SUPERCYCLE_", "AWS_", "AZURE_", "GOOGLE_", "PG", "REDIS_")
EMBEDDED_BROKER = "atomicfs://localhost/"
_STORE_CLIENT = ("allow_http", "allow_invalid_certificates", "proxy_url", "proxy_excludes")


class Settings(BaseSettings):
    """What an operator may set: flags before SUPERCYCLE_* variables before the file `supercycle.env`."""

    model_config = SettingsConfigDict(
        env_prefix="SUPERCYCLE_", env_file="supercycle.env", env_ignore_empty=True, extra="ignore"
    )

    data_dir: Path = Field(
        Path("supercycle-data"),
        description="Everything the service keeps on this machine: database, uploads, caches, checkpoints, logs.",
    )
    database_url: str = Field(
        "", description="SQLAlchemy URL, `postgresql+psycopg://…`; empty is SQLite in the data folder."
    )
    broker_url: str = Field(
        "", description="Celery broker URL, `redis://…`; empty is the embedded broker in the data folder."
    )
    storage_url: str = Field(
        "",
        description="Where artifacts, models and copies of checkpoints lie, `s3://bucket/prefix`; empty is a folder in "
        "the data folder.",
    )
    api_key: SecretStr | None = Field(
        None, description="An administrator's key. Without any key the server listens on loopback alone."
    )
    lease_seconds: float = Field(
        30.0, gt=0, description="How long a silent worker keeps its job. Set it alike for all parts."
    )
    heartbeat_seconds: float = Field(
        5.0, gt=0, description="How often a worker renews its lease: a sixth of that. Set it alike for all parts."
    )
    sweep_seconds: float = Field(2.0, gt=0, description="How often the keeper looks for lost jobs.")
    max_running_per_owner: int | None = Field(
        None, gt=0, description="How many jobs of one owner run at once; without it, as many as there are workers."
    )
    max_waiting_per_owner: int | None = Field(
        None,
        gt=0,
        description="How many jobs of one owner may wait for a worker, where a plan counts as one until it has ended; "
        "one more, submitted or resumed, is a 429. Without it, any number.",
    )
    checkpoint_seconds: float = Field(
        60.0,
        gt=0,
        description="At most this much training is lost with a worker; with S3, the time of an upload more.",
    )
    disk_floor_bytes: int = Field(
        256 << 20,
        ge=0,
        description="With less room than this in its data folder a worker claims nothing, and no upload is taken.",
    )
    dataset_roots: Annotated[list[Path], NoDecode] = Field(
        [],
        description="Folders below which server folders may be registered as data sets. Keeper and workers must have "
        "them under the same paths.",
    )
    max_body_bytes: int = Field(1 << 20, gt=0, description="The largest JSON body.")
    max_upload_bytes: int = Field(8 << 30, gt=0, description="The largest archive or `.npz` that may be uploaded.")
    max_datasets_per_owner: int | None = Field(
        None, gt=0, description="How many data sets one owner may have; one more is a 409. Without it, any number."
    )
    max_dataset_bytes_per_owner: int | None = Field(
        None, gt=0, description="What the uploaded data sets of one owner may take in all. Without it, any amount."
    )
    unused_dataset_days: int | None = Field(
        None, gt=0, description="Uploaded data sets that no job used for so many days are deleted. Without it, none is."
    )
    unused_cache_days: int = Field(
        30,
        gt=0,
        description="Cached pixels that no job has opened for so many days are removed; another job makes them again.",
    )
    webhook_private_hosts: bool = Field(
        False, description="Whether webhooks may lead to private or loopback addresses, and over plain http."
    )

    @field_validator("dataset_roots", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:  # noqa: ANN401
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("api_key")
    @classmethod
    def _empty_is_none(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value and value.get_secret_value() else None

    @property
    def lease(self) -> timedelta:
        """How long a claim or a heartbeat lasts."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def database(self) -> str:
        """The database's URL, with the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'supercycle.db'}"

    @property
    def has_no_database_yet(self) -> bool:
        """Whether the embedded database is still to be made; to look into it would make it."""
        return not self.database_url and not (self.data_dir.absolute() / "supercycle.db").exists()

    @property
    def broker(self) -> str:
        """The broker's URL, with the embedded default filled in."""
        return self.broker_url or EMBEDDED_BROKER

    @property
    def storage(self) -> str:
        """The artifact store's URL, with the embedded default filled in."""
        return self.storage_url or (self.data_dir.absolute() / "storage").as_uri()

    def folder(self, name: str) -> Path:
        """A folder of the service's own below the data folder, made when it is first asked for."""
        path = self.data_dir.absolute() / name
        path.mkdir(parents=True, exist_ok=True)
        return path


_NETWORK = frozenset(("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"))


def store_client_options() -> dict[str, str]:
    """What AWS_ALLOW_HTTP and its like say of the connection to S3; the store's client reads the other AWS_* itself.

    An address that begins with http:// is leave enough to go without TLS.
    """
    given = {name: os.environ[f"AWS_{name.upper()}"] for name in _STORE_CLIENT if f"AWS_{name.upper()}" in os.environ}
    addresses = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    is_plain = any(os.environ.get(name, "").startswith("http://") for name in addresses)
    return ({"allow_http": "true"} if is_plain else {}) | given


def network_environment() -> dict[str, str]:
    """What a child needs of the environment to reach the network: proxies, and whose certificates to trust."""
    return {name: value for name, value in os.environ.items() if name.upper() in _NETWORK}


def prepare_environment_for_trainings() -> None:
    """Take the service's settings out of the environment, so that no child process can read its credentials.

    And let idle threads of torch sleep instead of spin: beside any other load, spinning made a step of ResNet-9 on
    two cores five times as long. And give cuBLAS workspaces of a fixed size, without which torch refuses to be
    deterministic; it is read when CUDA starts, so a single job cannot ask for it. And let the processes of one
    training talk through the loopback device: they are all on this machine, and nobody else is to reach them.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if sys.platform == "linux":
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", "lo")
    for name in [name for name in os.environ if name.startswith(SECRET_PREFIXES)]:
        del os.environ[name]
