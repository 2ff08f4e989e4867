"""The peers' process: takes requests as lines of JSON and answers with numbers. Started by `company.Company`.

It is its own process because the peers may live in another environment than the engine.
"""

import importlib
import importlib.metadata
import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from benchmarks.peers.request import Request

# Peer → the module that imports it, the function that trains, and the package whose version counts.
PEERS = {
    "DataLoader over files": ("benchmarks.peers.plain", "over_files", "torchvision"),
    "DataLoader over memory": ("benchmarks.peers.plain", "over_memory", "torch"),
    "fastai": ("benchmarks.peers.with_fastai", "over_files", "fastai"),
    "Lightning": ("benchmarks.peers.with_lightning", "over_files", "lightning"),
}


def main() -> None:
    """Say who is there, then answer until the input ends."""
    warnings.filterwarnings("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peers print must not come between the answers
    torch.set_num_threads(int(sys.argv[1]))
    _answer(answers, {name: _presence(name) for name in PEERS})
    for line in sys.stdin:
        _answer(answers, _measured(Request(**json.loads(line))))


def _presence(name: str) -> dict[str, str]:
    module, _, package = PEERS[name]
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever a peer's import runs into, the others can be measured
        return {"missing": f"{type(error).__name__}: {error}"}
    return {"version": f"{package} {importlib.metadata.version(package)}"}


def _measured(request: Request) -> dict[str, Any]:
    module, function, _ = PEERS[request.peer]
    try:
        return {"images_per_second": getattr(importlib.import_module(module), function)(request)}
    except Exception as error:  # noqa: BLE001 - goes into the table
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}


def _answer(answers: Any, content: dict[str, Any]) -> None:  # noqa: ANN401
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
