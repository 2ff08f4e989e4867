"""Settings that are each allowed, but make no sense together."""

from typing import TYPE_CHECKING

from supercycle.cli.findings import Finding, ok, problem, warning

if TYPE_CHECKING:
    from app.config import Settings


def check_settings(settings: "Settings") -> list[Finding]:
    """What is wrong between them, or one line that nothing is."""
    lease, heartbeat, sweep = settings.lease_seconds, settings.heartbeat_seconds, settings.sweep_seconds
    shown = f"lease {lease:g} s, heartbeat {heartbeat:g} s, sweep {sweep:g} s"
    findings = [*_heartbeat(lease, heartbeat), *_sweep(lease, sweep), *_hosts(settings)]
    return findings or [ok("settings", shown)]


def _heartbeat(lease: float, heartbeat: float) -> list[Finding]:
    detail = f"a heartbeat every {heartbeat:g} s for a lease of {lease:g} s"
    advice = "set SUPERCYCLE_HEARTBEAT_SECONDS to a sixth of SUPERCYCLE_LEASE_SECONDS"
    if heartbeat >= lease:
        return [problem("settings", f"{detail}: every job is taken from its worker", advice)]
    if heartbeat >= lease / 2:
        return [warning("settings", f"{detail}: one that is late costs the job", advice)]
    return []


def _sweep(lease: float, sweep: float) -> list[Finding]:
    if sweep <= lease:
        return []
    detail = f"lost jobs are looked for every {sweep:g} s only, though a lease ends after {lease:g} s"
    return [warning("settings", detail, "set SUPERCYCLE_SWEEP_SECONDS to a fraction of SUPERCYCLE_LEASE_SECONDS")]


def _hosts(settings: "Settings") -> list[Finding]:
    """A file in the data folder serves one host; what is shared by several should be said for all parts."""
    if not settings.database.startswith("sqlite") or not settings.broker_url:
        return []
    detail = "SQLite serves one host only, though there is a broker for several"
    return [warning("settings", detail, "set SUPERCYCLE_DATABASE_URL to a PostgreSQL that every host reaches")]
