"""Where webhooks may lead: to public addresses over https, or nothing inside a network could hide from them.

A URL is looked at when it is given and again before each attempt; what its name stands for, only then. Connections
go to the very addresses that were looked at here: a name that changes its mind afterwards changes nothing.
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

_NAME = re.compile(r"(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_-]{1,63})*\.?")
_NAT64 = IPv6Network("64:ff9b::/96")
# What some versions of the standard library take to be public: NAT64 of a network's own, documentation, IETF protocols
# (with Oracle's metadata). And what all do: the server that every virtual machine of Azure trusts.
_INSIDE_6 = (IPv6Network("64:ff9b:1::/48"), IPv6Network("3fff::/20"))
_INSIDE_4 = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"))
_INSIDE_NAMES = ("localhost", "local", "internal", "home.arpa")


class NotAllowed(Exception):
    """Nothing may be sent there; the message says why."""


def checked_url(text: str, *, private_allowed: bool) -> httpx.URL:
    """The URL of a webhook, or NotAllowed; what a name stands for is not looked at."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise NotAllowed("It is not a URL.") from error
    if url.scheme != "https" and not (private_allowed and url.scheme == "http"):
        raise NotAllowed("It must begin with https://.")
    if url.userinfo or url.fragment or "#" in text or "\\" in text:
        raise NotAllowed("It must have no user, no password, no fragment and no backslash.")
    if url.port is not None and not 0 < url.port < 65536:
        raise NotAllowed("The port must be from 1 to 65535.")
    host = host_of(url)
    literal = _literal(host)
    if literal is None and not _NAME.fullmatch(host):
        raise NotAllowed("It names no host.")
    if not private_allowed and (_is_inside_name(host) if literal is None else not is_public(literal)):
        raise NotAllowed("Its host is private or this machine; webhooks go to public addresses alone.")
    return url


def host_of(url: httpx.URL) -> str:
    """The host as it is looked up and named in certificates."""
    return url.raw_host.decode("ascii")


def checked_addresses(found: Iterable[str], *, private_allowed: bool) -> list[str]:
    """All addresses of a name, if every one of them is allowed.

    The message does not say which one is not: who asks must not learn the names of a network from outside.
    """
    addresses = list(dict.fromkeys(found))
    if not addresses:
        raise NotAllowed("The name of its host stands for no address.")
    if not private_allowed and not all(is_public(ip_address(address)) for address in addresses):
        raise NotAllowed("The name of its host stands for an address that is not public.")
    return addresses


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody can reach it; an IPv4 address within one of IPv6 counts as what it is."""
    if isinstance(address, IPv4Address):
        return _is_global(address) and not any(address in network for network in _INSIDE_4)
    inner = address.ipv4_mapped or address.sixtofour or (_last_32_bits(address) if address in _NAT64 else None)
    if inner is not None:
        return is_public(inner)
    if any(address in network for network in _INSIDE_6) or address.teredo or address.is_site_local:
        return False
    return _is_global(address)


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _last_32_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is; of IPv4 also as 127.1, 0x7f000001 or 2130706433, which resolvers take."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _is_inside_name(host: str) -> bool:
    name = host.rstrip(".").lower()
    return any(name == inside or name.endswith(f".{inside}") for inside in _INSIDE_NAMES)
