"""How fast the API answers under load: `python benchmarks/api_load.py`.

One API process on a database of 100,000 jobs, SQLite and PostgreSQL in turn (the latter with Redis as the broker),
beside a bare FastAPI endpoint that answers as many bytes. Who asks is the owner of all these jobs, with a key of their
own, or with `--as administrator` the one whose key is a setting, for whom no list looks at owners. The load comes from
another process over raw connections. Every figure is measured in each round, so that whatever else the machine does
meets all of them; of the latencies of all rounds the percentiles, of the rates the median.

Latency in the closed loop counts from sending, in the open loop from when the request was due.
A figure that misses its target does not fail the command; an answer that is not the expected one does.
"""

import argparse
import platform
import random
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.api_keys import service as api_keys
from app.callers import Scope
from app.db.migrate import upgrade
from app.db.session import Database
from app.http import revision_tag
from app.paging import encode_cursor
from benchmarks.api_figures.arithmetic import percentile
from benchmarks.api_figures.generator import Measured, Plan, generate
from benchmarks.api_figures.processes import HOST, most_resident_bytes, quiet, running
from benchmarks.api_figures.seeding import REVISION, STEPS, as_text, put_jobs, put_steps, settle
from benchmarks.service_figures.setups import NotThere, Setup, embedded, servers

BODY = as_text({"kind": "training", "dataset": "digits", "architecture": "mlp", "tags": ["load"]})
JSON = {"Content-Type": "application/json"}
MOST_BYTES = 200 << 20
BUSY, FEW = 16, 4  #: connections


@dataclass(frozen=True)
class Key:
    """Who asks."""

    token: str

    @property
    def headers(self) -> dict[str, str]:
        """That go with every request."""
        return {"Authorization": f"Bearer {self.token}"}

    def request(self, path: str, *, method: str = "GET", body: str = "", **more: str) -> str:
        """A whole request, as it goes over the wire."""
        about = JSON | {"Content-Length": str(len(body))} if body else {}
        lines = [f"{name}: {value}" for name, value in ({"Host": HOST} | self.headers | about | more).items()]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", body])


@dataclass(frozen=True)
class Figure:
    """One thing that is measured: how, and what would be good."""

    name: str
    requests: list[str]
    expected: int = 200
    connections: int = BUSY
    rate: float | None = None
    at_least_per_second: float = 0.0
    p99_within_ms: float | None = None
    is_bare: bool = False
    measured: list[Measured] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        """Of all rounds."""
        return [value for each in self.measured for value in each.seconds]

    @property
    def per_second(self) -> float:
        """In the median round."""
        return median(each.per_second for each in self.measured)

    def ms(self, share: float) -> float:
        """A percentile of the latency."""
        return 1000 * percentile(self.seconds, share)

    @property
    def is_met(self) -> bool:
        """Whether all targets are."""
        in_time = self.p99_within_ms is None or self.ms(0.99) <= self.p99_within_ms
        return in_time and self.per_second >= self.at_least_per_second

    @property
    def target(self) -> str:
        """In words."""
        parts = [f"≥ {self.at_least_per_second:,.0f}/s"] if self.at_least_per_second else []
        parts += [f"p99 ≤ {self.p99_within_ms:.0f} ms"] if self.p99_within_ms is not None else []
        return ", ".join(parts) or "—"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and so what was started is stopped as well
    asked = arguments()
    names = ("fastapi", "starlette", "uvicorn", "pydantic", "sqlalchemy", "psycopg")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    for store in ("sqlite", "postgresql") if asked.store == "both" else (asked.store,):
        try:
            with setup_of(store, asked) as setup:
                measure(setup, asked)
        except NotThere as reason:
            print(f"\nSKIPPED {store}: {reason}")


def setup_of(store: str, asked: argparse.Namespace) -> AbstractContextManager[Setup]:
    return embedded() if store == "sqlite" else servers(asked.postgresql, asked.redis)


def measure(setup: Setup, asked: argparse.Namespace) -> None:
    """All figures on one store."""
    print(
        f"\n{setup.versions}; {asked.caller}; {quiet()}; {asked.rounds} rounds of {asked.seconds:g} s each", flush=True
    )
    with (
        tempfile.TemporaryDirectory(prefix="supercycle-") as folder,
        serving(setup, Path(folder), caller=asked.caller) as (pid, port, key),
    ):
        database = Database(setup.settings(Path(folder)).database)
        figures = figures_on(database, port, key, jobs=asked.jobs)
        database.dispose()
        size = len(httpx.get(f"http://{HOST}:{port}{path_of(figures[0])}", headers=key.headers).content)
        bare = ("benchmarks.api_figures.bare", "--bytes", str(size - len('{"text":""}')))
        with running(*bare, path="/job", environment={}) as (_, bare_port):
            figures.append(Figure(f"bare FastAPI, {size} bytes", [key.request("/job")], is_bare=True))
            for _ in range(asked.rounds):
                for figure in figures:
                    plan = plan_of(figure, bare_port if figure.is_bare else port, seconds=asked.seconds)
                    figure.measured.append(checked(figure, generate(plan)))
        show(figures, most_resident_bytes(pid))


@contextmanager
def serving(setup: Setup, folder: Path, *, caller: str) -> Iterator[tuple[int, int, Key]]:
    """A migrated database and one API process on it: its id and port, and a key that it takes."""
    upgrade(setup.settings(folder))
    environment = setup.environment(folder)
    if caller == "owner":
        key = Key(key_of_an_owner(setup, folder))
    else:
        key = Key("the key of the benchmark")
        environment |= {"SUPERCYCLE_API_KEY": key.token}
    with running("app.main", "--follow-stdin", path="/healthz", environment=environment) as (pid, port):
        yield pid, port, key


def key_of_an_owner(setup: Setup, folder: Path) -> str:
    """One that may read and submit."""
    database = Database(setup.settings(folder).database)
    with database.transaction() as session:
        token = api_keys.create(session, owner="ann", scopes={Scope.READ, Scope.SUBMIT}).token
    database.dispose()
    return token


def figures_on(database: Database, port: int, key: Key, *, jobs: int) -> list[Figure]:
    """What is measured, on the jobs put into this database."""
    request = key.request
    answer = httpx.post(f"http://{HOST}:{port}/v1/jobs", content=BODY, headers=key.headers | JSON)
    first = answer.raise_for_status().json()["id"]
    ids = put_jobs(database, first, count=jobs)
    training, range_test = (put_steps(database, first, kind=kind) for kind in ("training", "range_test"))
    settle(database)
    dice = random.Random(2)  # noqa: S311 - for jobs and pages
    some = [f"/v1/jobs/{id}" for id in dice.sample(ids, min(1000, jobs))]
    etag = {"If-None-Match": revision_tag(REVISION)}
    posting = [request("/v1/jobs", method="POST", body=BODY)]
    points = {"p99_within_ms": 300.0, "connections": 1}
    return [
        Figure("one job", [request(path) for path in some], at_least_per_second=1000, p99_within_ms=25),
        Figure("one job, 304", [request(path, **etag) for path in some], 304),
        Figure("submission, open loop", posting, 202, rate=100, p99_within_ms=100),
        Figure("a page of 50", [request(path) for path in pages(ids, dice)], connections=FEW, p99_within_ms=50),
        Figure(
            "the same, filtered", [request(path) for path in filtered(ids, dice)], connections=FEW, p99_within_ms=50
        ),
        Figure(f"metrics of {STEPS:,} steps", [request(metrics_of(training))], **points),  # type: ignore[arg-type]
        Figure("the same of a range test", [request(metrics_of(range_test))], **points),  # type: ignore[arg-type]
    ]


def pages(ids: list[str], dice: random.Random) -> list[str]:
    """Addresses of pages anywhere, the first and the last among them."""
    places = [ids[-1], ids[0], *dice.sample(ids, min(200, len(ids)))]
    return ["/v1/jobs?limit=50", *(f"/v1/jobs?limit=50&cursor={encode_cursor(id)}" for id in places)]


def filtered(ids: list[str], dice: random.Random) -> list[str]:
    """Addresses of pages by what is common, what is rare and what is not there, alone and together."""
    filters = [
        "state=failed",
        "state=succeeded",
        "state=running",
        "state=failed&state=cancelled",
        "kind=range_test",
        "kind=training&state=paused",
        "tag=tag-3",
        "tag=tag-3&state=failed",
        "tag=nowhere",
        f"parent_id={ids[0]}",
    ]
    return [f"{path}&{each}" for path in dice.sample(pages(ids, dice), 20) for each in filters]


def metrics_of(id: str) -> str:
    return f"/v1/jobs/{id}/metrics?max_points=1000"


def path_of(figure: Figure) -> str:
    return figure.requests[0].split()[1]


def plan_of(figure: Figure, port: int, *, seconds: float) -> Plan:
    return Plan(port, figure.requests, figure.expected, figure.connections, seconds, figure.rate)


def checked(figure: Figure, measured: Measured) -> Measured:
    """The same, unless some answer was not what it should be."""
    if measured.unexpected:
        raise RuntimeError(f"{figure.name}: answers other than {figure.expected}: {measured.unexpected}")
    return measured


def show(figures: list[Figure], memory_bytes: int) -> None:
    """The table."""
    print(f"| {'figure':26} | {'a second':>8} | {'p50 ms':>7} | {'p99 ms':>7} | {'n':>6} | target | met |")
    print("|---|---|---|---|---|---|---|")
    for figure in figures:
        values = f"{figure.per_second:8,.0f} | {figure.ms(0.5):7.1f} | {figure.ms(0.99):7.1f} | {len(figure.seconds):6}"
        met = "—" if figure.target == "—" else yes_or_no(figure.is_met)
        print(f"| {figure.name:26} | {values} | {figure.target} | {met} |")
    whole, unchanged = figures[0], figures[1]
    quick = f"{unchanged.per_second:,.0f}/s against {whole.per_second:,.0f}/s"
    print(f"304s at least as fast as 200s: {quick}: {yes_or_no(unchanged.per_second >= whole.per_second)}")
    print(f"most memory: {memory_bytes / 2**20:.0f} MB (target: ≤ {MOST_BYTES >> 20} MB): ", end="")
    print(yes_or_no(memory_bytes <= MOST_BYTES), flush=True)


def yes_or_no(claim: bool) -> str:
    return "yes" if claim else "NO"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--as", dest="caller", choices=["owner", "administrator"], default="owner")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each figure in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--postgresql", default="postgresql+psycopg://postgres@127.0.0.1/", metavar="URL")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/13", metavar="URL", help="an empty database")
    return parser.parse_args()


if __name__ == "__main__":
    main()
