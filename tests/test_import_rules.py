"""The import rules: that `.importlinter` catches each breach, and what it cannot see, checked in a running process."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# A small tree in which every import is allowed; each case below adds one that is not.
ALLOWED = {
    "app/__init__.py": "",
    "app/callers.py": "",
    "app/config.py": "",
    "app/main.py": "import fastapi\nfrom app.jobs import endpoints",
    "app/network.py": "",
    "app/parent.py": "",
    "app/api_keys/__init__.py": "",
    "app/api_keys/service.py": "",
    "app/artifacts/__init__.py": "",
    "app/artifacts/store.py": "",
    "app/db/__init__.py": "",
    "app/db/session.py": "import sqlalchemy",
    "app/domain/__init__.py": "import numpy",
    "app/domain/schedules.py": "import pydantic",
    "app/jobs/__init__.py": "",
    "app/jobs/endpoints.py": "import fastapi\nfrom app.jobs import service",
    "app/jobs/service.py": "from app.datasets import service\nfrom app.jobs import repository",
    "app/jobs/repository.py": "from app.db import session",
    "app/datasets/__init__.py": "",
    "app/datasets/endpoints.py": "from app.datasets import service",
    "app/datasets/service.py": "from app.domain import schedules",
    "worker/__init__.py": "",
    "worker/runner.py": "from app.jobs import repository\nfrom worker.engine import loop",
    "worker/plots.py": "import matplotlib",
    "worker/engine/__init__.py": "",
    "worker/engine/loop.py": "import torch\nfrom app.domain import schedules\nfrom worker.engine import nets",
    "worker/engine/nets/__init__.py": "from worker.engine.nets import small",
    "worker/engine/nets/small.py": "import torchvision",
    "supercycle/__init__.py": "def one_cycle():\n    from app.domain import schedules",
    "supercycle/client.py": "import httpx",
    "supercycle/cli/__init__.py": "from supercycle.cli import operate",
    "supercycle/cli/doctor.py": "from app import config",
    "supercycle/cli/parts_checks.py": "import redis, sqlalchemy\n"
    "from app import config\nfrom app.artifacts import store\nfrom app.db import session",
    "supercycle/cli/settings_checks.py": "from app import config",
    "supercycle/cli/keys.py": "import sqlalchemy\nfrom app import callers\nfrom app.api_keys import service\n"
    "from app.db import session",
    "supercycle/cli/operate.py": "import pydantic, sqlalchemy\nfrom app import config\n"
    "from app import network, parent\nfrom app.api_keys import service\nfrom app.db import session",
}

# Where, the breach, as whose import of what the contract reports it.
BREACHES = [
    ("app/domain/schedules.py", "import torch", "light", "app.domain.schedules -> torch"),
    ("app/jobs/service.py", "from worker import plots", "light", "app.jobs.service -> worker.plots"),
    ("app/main.py", "def late():\n    import sklearn", "light", "app.main -> sklearn"),
    ("supercycle/client.py", "import matplotlib", "light", "supercycle.client -> matplotlib"),
    ("app/domain/schedules.py", "import sqlalchemy", "pure-domain", "app.domain.schedules -> sqlalchemy"),
    ("app/domain/schedules.py", "import fastapi", "pure-domain", "app.domain.schedules -> fastapi"),
    ("app/domain/schedules.py", "from app import config", "domain-alone", "app.domain.schedules -> app.config"),
    ("worker/engine/loop.py", "import PIL", "engine", "worker.engine.loop -> PIL"),
    ("worker/engine/loop.py", "import sklearn", "engine", "worker.engine.loop -> sklearn"),
    ("worker/engine/loop.py", "from app.db import session", "engine-domain", "worker.engine.loop -> app.db.session"),
    ("worker/engine/loop.py", "from worker import plots", "engine-domain", "worker.engine.loop -> worker.plots"),
    ("worker/engine/loop.py", "import torchvision", "engine-nets", "worker.engine.loop -> torchvision"),
    ("worker/runner.py", "import fastapi", "worker", "worker.runner -> fastapi"),
    ("worker/runner.py", "from app.datasets import endpoints", "worker", "worker.runner -> app.datasets.endpoints"),
    ("app/jobs/repository.py", "from app.jobs import service", "resources", "app.jobs.repository -> app.jobs.service"),
    ("app/jobs/service.py", "from app.jobs import endpoints", "resources", "app.jobs.service -> app.jobs.endpoints"),
    (
        "app/jobs/service.py",
        "from app.datasets import endpoints",
        "endpoints",
        "app.jobs.service -> app.datasets.endpoints",
    ),
    ("supercycle/client.py", "from app.domain import schedules", "client", "supercycle.client -> app.domain.schedules"),
    (
        "supercycle/cli/operate.py",
        "from app.jobs import service",
        "client",
        "supercycle.cli.operate -> app.jobs.service",
    ),
    ("supercycle/client.py", "import pydantic", "client-light", "supercycle.client -> pydantic"),
]


def write_tree(folder: Path, files: dict[str, str]) -> None:
    for path, source in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source + "\n")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [LINT_IMPORTS, "--no-cache", "--no-logo", "--config", ROOT / ".importlinter"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict[str, str]:
    """What the linter says of a tree with all breaches at once, by contract: one run instead of twenty."""
    folder = tmp_path_factory.mktemp("breaches")
    files = dict(ALLOWED)
    for path, breach, _, _ in BREACHES:
        files[path] += f"\n{breach}"
    write_tree(folder, files)
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    titles = {contracts[section]["name"]: section.rpartition(":")[2] for section in contracts.sections()[1:]}
    details = lint(folder).stdout.partition("Broken contracts")[2]
    _, *parts = re.split(rf"^({'|'.join(map(re.escape, titles))})$", details, flags=re.MULTILINE)
    return {titles[title]: text for title, text in zip(parts[::2], parts[1::2], strict=True)}


def loaded_after(statement: str) -> set[str]:
    """The top-level packages in a fresh process after `statement`."""
    script = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


class TestContracts:
    def test_allowed_imports_pass(self, tmp_path):
        write_tree(tmp_path, ALLOWED)
        done = lint(tmp_path)
        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize(("contract", "reported"), [breach[2:] for breach in BREACHES])
    def test_breach_is_caught(self, report, contract, reported):
        assert re.search(rf"{re.escape(reported)} \(l", report[contract])


class TestLoadedModules:
    """What the static rules miss: importlib, and what third-party packages import."""

    heavy = frozenset({"torch", "torchvision", "matplotlib", "sklearn", "worker"})

    @pytest.mark.parametrize("module", ["app.main", "supercycle", "supercycle.client", "supercycle.cli"])
    def test_nothing_heavy_is_loaded(self, module):
        assert loaded_after(f"import {module}") & self.heavy == set()

    @pytest.mark.parametrize("module", ["supercycle", "supercycle.client"])
    def test_the_client_loads_no_part_of_the_service(self, module):
        assert loaded_after(f"import {module}") & {"app", "numpy", "pydantic", "fastapi", "sqlalchemy"} == set()

    def test_schedules_come_without_torch(self):
        loaded = loaded_after("from supercycle import OneCycle, suggest_learning_rate")
        assert "app" in loaded
        assert loaded & (self.heavy | {"fastapi", "sqlalchemy", "celery"}) == set()
