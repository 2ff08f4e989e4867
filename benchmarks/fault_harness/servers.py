"""A PostgreSQL and a Redis of the harness's own, that can be killed without asking anybody."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import redis

from supercycle.cli.serving import free_port

ADDRESS = "127.0.0.1"
START_SECONDS = 60.0


def missing_programs() -> list[str]:
    """What this machine lacks for the configuration on servers."""
    return [name for name in ("initdb", "pg_ctl", "redis-server") if _program(name) is None]


def _program(name: str) -> str | None:
    """Its path; Debian keeps PostgreSQL's programs where no PATH leads."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


class PostgreSQL:
    """A server in a temporary folder. It refuses to run as root, so root has it run as `postgres`."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="supercycle-postgresql-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._folder, self._user)
        self._port = free_port(ADDRESS, 0)
        self._data = str(self._folder / "data")
        self._do("initdb", "-D", self._data, "-U", "postgres", "--auth", "trust", "--no-sync", "-E", "UTF8")
        self.start()
        dsn = f"postgresql://postgres@{ADDRESS}:{self._port}/postgres"
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute("CREATE DATABASE supercycle")
            self.version = str(admin.execute("SHOW server_version").fetchone()[0])  # type: ignore[index]

    @property
    def url(self) -> str:
        """For SUPERCYCLE_DATABASE_URL."""
        return f"postgresql+psycopg://postgres@{ADDRESS}:{self._port}/supercycle"

    def start(self) -> None:
        """Start, and recover what a crash left; returns when it answers."""
        # What a kill leaves is safe without fsync, which only guards against the machine itself going down.
        options = f"-F -p {self._port} -c listen_addresses={ADDRESS} -c unix_socket_directories={self._folder}"
        log = str(self._folder / "log")
        self._do("pg_ctl", "-D", self._data, "-w", "-t", f"{START_SECONDS:.0f}", "-l", log, "-o", options, "start")

    def crash(self) -> None:
        """Stop without writing anything more, as if killed."""
        self._do("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        """Stop for good."""
        self._do("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop", may_fail=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _do(self, name: str, *arguments: str, may_fail: bool = False) -> None:
        program = _program(name)
        assert program, f"{name} is not installed"
        # Its output goes nowhere: a server that inherits a pipe would keep it open.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([program, *arguments], check=not may_fail, cwd=self._folder, user=self._user, **quiet)  # type: ignore[call-overload]


class Redis:
    """A server with an append-only file, so that what it took survives a kill."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="supercycle-redis-"))
        self._port = free_port(ADDRESS, 0)
        self.url = f"redis://{ADDRESS}:{self._port}/0"
        self.start()
        with redis.Redis.from_url(self.url) as client:
            self.version = str(client.info("server")["redis_version"])

    def start(self) -> None:
        """Start, and read the file of the one before; returns when it answers."""
        program = _program("redis-server")
        assert program, "redis-server is not installed"
        where = ["--bind", ADDRESS, "--port", str(self._port), "--dir", str(self._folder)]
        keeping = ["--appendonly", "yes", "--save", "", "--logfile", str(self._folder / "log")]
        self._process = subprocess.Popen([program, *where, *keeping], stdout=subprocess.DEVNULL)
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    def crash(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        """Stop for good."""
        self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)
