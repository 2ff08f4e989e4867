"""Which devices torch can use, asked of a process of its own: the commands themselves never load torch."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

_QUESTION = """
import json, torch
devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
print(json.dumps({"version": torch.__version__, "devices": devices or ["cpu"]}))
"""


@dataclass(frozen=True)
class Torch:
    """What torch said of itself; `problem` where it said nothing usable."""

    version: str = ""
    devices: list[str] = field(default_factory=lambda: ["cpu"])
    problem: str = ""


def has_nvidia_device() -> bool:
    """Whether it is worth the seconds to ask torch."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def driver_version() -> str | None:
    """Of the NVIDIA kernel module, where one is loaded."""
    table = Path("/proc/driver/nvidia/version")
    found = re.search(r"Kernel Module\D*([\d.]+)", table.read_text("utf-8")) if table.exists() else None
    return found[1] if found else None


def ask_torch() -> Torch:
    """Load torch in another process and ask; takes some seconds."""
    try:
        answer = subprocess.run(  # noqa: S603 - a constant
            [sys.executable, "-c", _QUESTION], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return Torch(problem="torch did not load within 120 s")
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines()
        return Torch(problem=lines[-1] if lines else f"torch ended the process with code {answer.returncode}")
    return Torch(**json.loads(answer.stdout.splitlines()[-1]))
