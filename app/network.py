"""Which hosts are this machine itself."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback_address(host: str) -> bool:
    """Whether a bare address or name, e.g. `::1`, is one that only this machine can reach."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_host(header: str) -> bool:
    """Whether a Host header, e.g. `[::1]:8000`, names this machine."""
    try:
        return is_loopback_address(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return False
