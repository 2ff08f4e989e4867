"""The peers as the benchmark sees them: one process, asked for one measurement at a time."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.peers.request import Request


class Company:
    """Starts the peers' process with the interpreter that has them; `versions` and `missing` say who is there."""

    def __init__(self, python: str, *, threads: int, log: Path) -> None:
        self._log = log.open("w")
        command = [python, str(Path(__file__).with_name("serve.py")), str(threads)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        there = self._read()
        self.versions = {name: facts["version"] for name, facts in there.items() if "version" in facts}
        self.missing = {name: facts["missing"] for name, facts in there.items() if "missing" in facts}

    def images_per_second(self, request: Request) -> float:
        """Ask for one epoch."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(request)) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "failed" in answer:
            raise RuntimeError(f"{request.peer} failed: {answer['failed']}; see {self._log.name}")
        return float(answer["images_per_second"])

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peers' process ended; see {self._log.name}")
        content: dict[str, Any] = json.loads(line)
        return content

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Its input ends, and so does it."""
        self._process.communicate(timeout=60)
        self._log.close()
