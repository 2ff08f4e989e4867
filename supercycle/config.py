"""The client's and the commands' only reader of the environment."""

import os
from collections.abc import Mapping
from importlib.metadata import version

DEFAULT_URL = "http://127.0.0.1:8000"


def service_url() -> str:
    """Where the service is: SUPERCYCLE_URL, or this machine."""
    return os.environ.get("SUPERCYCLE_URL") or DEFAULT_URL


def api_key() -> str | None:
    """The key to show to the service: SUPERCYCLE_API_KEY, or none."""
    return os.environ.get("SUPERCYCLE_API_KEY") or None


def child_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `settings` on top, for a process it starts."""
    return {**os.environ, **settings}


def pristine_environment() -> dict[str, str]:
    """This process's environment without anything of ours, for a service that shall run on its defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SUPERCYCLE_")}


def installed_version() -> str:
    """The version of the installed distribution."""
    return version("supercycle")
