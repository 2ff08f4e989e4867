"""A load of HTTP/1.1 requests over raw connections, in a process of its own.

Reads a plan as JSON from standard input and prints what it measured as JSON. A client library costs several times what
the server does, and would be measured in its stead.
"""

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.api_figures.arithmetic import due_times, latencies

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0  #: beyond the plan's own time


@dataclass(frozen=True)
class Plan:
    """What to send: closed, each connection after its last answer, or open at a rate, whoever is still waiting."""

    port: int
    requests: list[str]  #: whole ones, as they go over the wire; taken in turn
    expected: int  #: status of the answers
    connections: int
    seconds: float
    rate: float | None = None  #: requests a second of an open loop


@dataclass(frozen=True)
class Measured:
    """What came of it."""

    seconds: list[float]  #: how long each answer took
    lasted_seconds: float
    unexpected: dict[str, int] = field(default_factory=dict)  #: answers by another status than expected

    @property
    def per_second(self) -> float:
        """Answers in a second."""
        return len(self.seconds) / self.lasted_seconds


def generate(plan: Plan) -> Measured:
    """Carry out a plan in another process."""
    command = [sys.executable, "-m", "benchmarks.api_figures.generator"]
    done = subprocess.run(
        command,
        check=False,
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=plan.seconds + PATIENCE_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr[-2000:]}")
    return Measured(**json.loads(done.stdout))


class Connection(asyncio.Protocol):
    """One connection, one request at a time; calls back with the status of each answer."""

    def __init__(self, answered: "Callable[[Connection, int], None]", broken: Callable[[], None]) -> None:
        self._answered = answered
        self._broken = broken
        self._got = b""
        self.request = 0  #: the number of the one under way
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        if head < 0:
            return
        status = int(self._got[9:12])
        length = _LENGTH.search(self._got, 0, head + 2)
        if length is None and status not in (204, 304):
            raise RuntimeError(f"an answer without a length: {self._got[:head]!r}")
        if len(self._got) - head - 4 >= (int(length[1]) if length and status != 304 else 0):
            self._got = b""
            self._answered(self, status)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._broken()


class Load:
    """One plan under way."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._requests = [text.encode() for text in plan.requests]
        self._due = due_times(plan.rate, plan.seconds) if plan.rate else []
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._unexpected: dict[str, int] = {}
        self.connections: list[Connection] = []
        self._idle: deque[Connection] = deque()
        self._waiting: deque[int] = deque()
        self._over = asyncio.get_running_loop().create_future()

    async def run(self) -> Measured:
        """Until every request is answered."""
        loop = asyncio.get_running_loop()
        for _ in range(self.plan.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self._take, self._fail), "127.0.0.1", self.plan.port
            )
            self.connections.append(connection)
            self._idle.append(connection)
        self._began = time.perf_counter()
        if self._due:
            self._offer(loop, loop.time(), 0)
        else:
            for connection in self.connections:
                self._send(connection, self._new_request(time.perf_counter()))
        await self._over
        lasted = time.perf_counter() - self._began
        return Measured(latencies(self._starts, self._ends), lasted, self._unexpected)

    def _offer(self, loop: asyncio.AbstractEventLoop, zero: float, number: int) -> None:
        """Request `number` is due now, and the next one when its time comes."""
        request = self._new_request(self._began + self._due[number])
        if self._idle:
            self._send(self._idle.popleft(), request)
        else:
            self._waiting.append(request)
        if number + 1 < len(self._due):
            loop.call_at(zero + self._due[number + 1], self._offer, loop, zero, number + 1)

    def _new_request(self, start: float) -> int:
        self._starts.append(start)
        self._ends.append(0.0)
        return len(self._starts) - 1

    def _send(self, connection: Connection, request: int) -> None:
        connection.request = request
        connection.transport.write(self._requests[request % len(self._requests)])

    def _take(self, connection: Connection, status: int) -> None:
        now = time.perf_counter()
        self._ends[connection.request] = now
        if status != self.plan.expected:
            self._unexpected[str(status)] = self._unexpected.get(str(status), 0) + 1
        if self._due:
            self._next_open(connection)
        elif now - self._began < self.plan.seconds:
            self._send(connection, self._new_request(now))
        elif all(self._ends) and not self._over.done():
            self._over.set_result(None)

    def _next_open(self, connection: Connection) -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft())
            return
        self._idle.append(connection)
        if len(self._ends) == len(self._due) and all(self._ends) and not self._over.done():
            self._over.set_result(None)

    def _fail(self) -> None:
        if not self._over.done():
            self._over.set_exception(RuntimeError("the server closed a connection"))


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    gc.disable()  # a plan is short, and a collection would look like a slow answer

    async def run() -> Measured:
        return await Load(plan).run()

    json.dump(asdict(uvloop.run(run())), sys.stdout)


if __name__ == "__main__":
    main()
