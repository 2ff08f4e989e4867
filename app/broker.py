"""The embedded broker: kombu's filesystem transport, with messages that appear whole or not at all.

The stock transport writes messages in place, so that a reader can take half a file and lose it.
"""

import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem, virtual
from kombu.utils import json

from app.config import EMBEDDED_BROKER, Settings

POLLING_SECONDS = 0.1
FORGETTING_SECONDS = 5.0
KEPT_SECONDS = 60.0  #: far longer than anybody reads a message it has taken


class Channel(filesystem.Channel):
    """Puts a message by writing it aside and renaming it into place, and keeps no table of bindings.

    kombu's table is a file that is written in place: a process that starts at the wrong moment reads half of it, and
    a kill leaves it torn for good.
    """

    _forgetting_from = 0.0

    def get_table(self, exchange: str) -> list[Any]:
        """Where an exchange leads: to the queue of its own name."""
        return [filesystem.exchange_queue_t(exchange, "", exchange)]

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        """Note nothing: bindings are a convention here."""

    def _put(  # type: ignore[override]  # kombu itself names the argument in two ways
        self,
        queue: str,
        payload: dict[str, Any],
        **kwargs: Any,  # noqa: ANN401, ARG002
    ) -> None:
        folder = Path(self.data_folder_out)
        # The wall clock leads the name, so that messages sort by age, across reboots too.
        target = folder / f"{time.time_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        aside = folder / f".tmp-{uuid.uuid4()}"
        with aside.open("wb") as file:
            file.write(json.dumps(payload).encode())  # type: ignore[no-untyped-call]
            file.flush()
            os.fsync(file.fileno())
        aside.rename(target)

    def _get(self, queue: str) -> Any:  # type: ignore[override]  # noqa: ANN401
        """The next message. kombu keeps what was taken for ever; here it goes after a minute."""
        message = super()._get(queue)  # type: ignore[no-untyped-call]
        self._forget_taken()
        return message

    def _forget_taken(self) -> None:
        """Once in a while: looking at all of them after each of many would cost the square of that."""
        if time.monotonic() < self._forgetting_from:
            return
        self._forgetting_from = time.monotonic() + FORGETTING_SECONDS
        for taken in Path(self.processed_folder).iterdir():
            with suppress(FileNotFoundError):  # another worker was quicker
                if time.time() - taken.stat().st_ctime > KEPT_SECONDS:
                    taken.unlink()


class Transport(filesystem.Transport):
    """The transport behind `atomicfs://`."""

    Channel = Channel

    def __init__(self, client: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(client, **options)  # type: ignore[no-untyped-call]
        # kombu shares what is declared among all transports of a process, as if there were one folder only.
        self.state = virtual.BrokerState()  # type: ignore[no-untyped-call]


TRANSPORT_ALIASES["atomicfs"] = f"{__name__}:Transport"


def transport_options(settings: Settings, *, patience_seconds: float = 10.0) -> dict[str, Any]:
    """What the broker's transport needs to know; a server that is silent for longer than the patience is down."""
    if settings.broker != EMBEDDED_BROKER:
        return {"socket_connect_timeout": 1.0, "socket_timeout": patience_seconds, "max_retries": 0}
    folder = settings.folder("broker")
    names = {
        "data_folder_in": "queue",
        "data_folder_out": "queue",
        "processed_folder": "taken",
        "control_folder": "control",
    }
    folders = {option: folder / name for option, name in names.items()}
    for path in folders.values():
        path.mkdir(exist_ok=True)
    # Taken messages move to a folder beside the queue: a move through /tmp could cross file systems and tear.
    return {option: str(path) for option, path in folders.items()} | {
        "store_processed": True,
        "polling_interval": POLLING_SECONDS,
    }
