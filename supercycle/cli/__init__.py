"""The command `supercycle`: users' commands talk to a service over HTTP, operators' commands start one."""

from supercycle.cli.app import app


def main() -> None:
    """The console script."""
    app()


__all__ = ["main"]
