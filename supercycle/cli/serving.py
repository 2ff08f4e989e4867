"""What `serve` is made of: the port, the parts and their settings, and the word that all is ready."""

import fcntl
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import typer

from supercycle.cli.devices import ask_torch, has_nvidia_device
from supercycle.cli.supervisor import Part, Supervisor

PROBE_EVERY_SECONDS = 0.2
# Longer than a cold import of torch; after that somebody wants to know what is missing.
PATIENCE_SECONDS = 30.0


def parts_of(*, host: str, port: int, devices: Sequence[str], logs: Path, environment: Mapping[str, str]) -> list[Part]:
    """The processes of a whole service: api, keeper, and a worker for each entry of `devices`."""
    machine = socket.gethostname()
    modules = {
        "api": ("app.main", "--host", host, "--port", str(port)),
        "keeper": ("worker.keeper",),
        **{
            f"worker-{index}": ("worker", "--devices", device, "--name", f"{machine}:{index}")
            for index, device in enumerate(devices)
        },
    }
    return [
        Part(name, (sys.executable, "-m", *arguments, "--follow-stdin"), environment, logs / f"{name}.log")
        for name, arguments in modules.items()
    ]


def devices_for(workers: int | None) -> list[str]:
    """A device for each worker, in turn; without a number, a worker for each device there is."""
    found = ask_torch().devices if has_nvidia_device() else ["cpu"]
    return [found[index % len(found)] for index in range(workers or len(found))]


def keep_serving(parts: Sequence[Part], *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Run the parts until a signal; say so once the service answers that all of it is there."""
    address = f"http://{_bracketed(_reachable(host))}:{port}"
    Supervisor(parts, say=say).run(each_tick=_Announcer(address, say=say).tick)


def free_port(host: str, port: int) -> int:
    """`port` if nobody listens there, or any free one for 0."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "choose another with --port, or 0 for any free one"
        raise typer.BadParameter(f"cannot listen on {host}:{port}: {reason}; {advice}") from error


@contextmanager
def sole_use(data_dir: Path) -> Iterator[None]:
    """Hold the data folder: two services in one folder would give their workers the same names."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "serve.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise typer.BadParameter(
                f"another `supercycle serve` uses {data_dir}; stop it, or choose another folder with --data-dir"
            ) from error
        yield


class _Announcer:
    """Asks /readyz until it answers 200, and says so; says once what is missing when that takes long."""

    def __init__(self, address: str, *, say: Callable[[str], None]) -> None:
        self._address = address
        self._say = say
        self._next = time.monotonic() + PROBE_EVERY_SECONDS
        self._complain_at: float | None = time.monotonic() + PATIENCE_SECONDS
        self._done = False

    def tick(self) -> None:
        """Ask, if it is time to."""
        now = time.monotonic()
        if self._done or now < self._next:
            return
        self._next = now + PROBE_EVERY_SECONDS
        missing = what_is_missing(self._address)
        if missing is None:
            self._done = True
            self._say(f"Supercycle is ready at {self._address}")
        elif self._complain_at is not None and now > self._complain_at:
            self._complain_at = None
            self._say(f"not ready yet: {missing}")


def what_is_missing(address: str) -> str | None:
    """What keeps the service from being ready; None when it is."""
    try:
        response = httpx.get(f"{address}/readyz", timeout=2, trust_env=False, verify=False)  # noqa: S501 - http
    except httpx.TransportError as error:
        return f"the api does not answer ({type(error).__name__})"
    if response.is_success:
        return None
    try:
        parts = response.json()["parts"]
    except (ValueError, KeyError, TypeError):
        return f"/readyz answers {response.status_code}"
    return "; ".join(f"{name}: {check['detail']}" for name, check in parts.items() if not check["ok"])


def _reachable(host: str) -> str:
    """Where this machine reaches a service that listens on `host`, which may stand for every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
