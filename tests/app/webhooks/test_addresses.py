"""The guard: which URLs and addresses webhooks may lead to."""

from ipaddress import ip_address

import pytest

from app.webhooks.addresses import NotAllowed, checked_addresses, checked_url, host_of, is_public

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - to be refused
    "10.0.0.1",
    "100.64.0.1",  # carriers' NAT
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # Azure's, public by number
    "169.254.169.254",  # everybody's metadata
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # Oracle's metadata
    "192.0.2.1",  # documentation
    "192.168.0.1",
    "198.18.0.1",  # benchmarks
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",  # IPv4-compatible, deprecated
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",  # NAT64 of a network's own
    "2001:0:53aa:64c:0:fbff:f5ff:fffe",  # Teredo of 10.0.0.1
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "2002:a9fe:a9fe::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's metadata
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


class TestAddresses:
    @pytest.mark.parametrize("address", PUBLIC)
    def test_public(self, address):
        assert is_public(ip_address(address))

    @pytest.mark.parametrize("address", NOT_PUBLIC)
    def test_not_public(self, address):
        assert not is_public(ip_address(address))

    @pytest.mark.parametrize("address", NOT_PUBLIC)
    def test_one_is_enough_to_refuse_a_name(self, address):
        with pytest.raises(NotAllowed, match="not public") as refusal:
            checked_addresses(["8.8.8.8", address], private_allowed=False)
        assert address not in str(refusal.value)  # it would map the network for whoever asks
        assert checked_addresses(["8.8.8.8", address], private_allowed=True) == ["8.8.8.8", address]

    def test_each_once(self):
        assert checked_addresses(["8.8.8.8", "8.8.4.4", "8.8.8.8"], private_allowed=False) == ["8.8.8.8", "8.8.4.4"]

    def test_none_at_all(self):
        with pytest.raises(NotAllowed, match="no address"):
            checked_addresses([], private_allowed=True)


HOSTILE = [
    ("http://example.com/", "must begin with https"),
    ("ftp://example.com/", "must begin with https"),
    ("file:///etc/passwd", "must begin with https"),
    ("gopher://example.com/", "must begin with https"),
    ("//example.com/", "must begin with https"),
    ("example.com", "must begin with https"),
    ("", "must begin with https"),
    ("https://", "names no host"),
    ("https:///path", "names no host"),
    ("https://:443/", "names no host"),
    ("https://user@example.com/", "no user"),
    ("https://user:password@example.com/", "no user"),
    ("https://example.com@127.0.0.1/", "no user"),
    ("https://example.com\\@127.0.0.1/", "no user"),
    ("https://127.0.0.1\\.example.com/", "backslash"),
    ("https://example.com/#fragment", "no fragment"),
    ("https://example.com#@127.0.0.1/", "no fragment"),
    ("https://example.com:0/", "port"),
    ("https://example.com:65536/", "port"),
    ("https://example.com:x/", "not a URL"),
    ("https://exa mple.com/", "names no host"),
    ("https://example.com%2f@x/", "no user"),
    ("https://127%2e0%2e0%2e1/", "names no host"),
    ("https://example.com\n.evil/", "not a URL"),
    ("https://[::1/", "not a URL"),
    ("https://a..b/", "names no host"),
    ("https://.../", "names no host"),
    (f"https://{'a' * 64}.com/", "names no host"),
    ("https://ⓛocalhost/", "not a URL"),
    ("https://１２７.0.0.1/", "not a URL"),
    ("https://0177.0.0.1/", "not a URL"),
    *((f"https://{host}/", "private or this machine") for host in (
        "localhost", "LOCALHOST", "localhost.", "a.localhost", "printer.local", "metadata.google.internal",
        "nas.home.arpa", "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0x7f000001", "0", "10.0.0.1:8443",
        "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
    )),
]  # fmt: skip


class TestUrls:
    @pytest.mark.parametrize(("url", "reason"), HOSTILE)
    def test_refused(self, url, reason):
        with pytest.raises(NotAllowed, match=reason):
            checked_url(url, private_allowed=False)

    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("https://example.com/hook?token=a%20b", "example.com"),
            ("HTTPS://EXAMPLE.com:8443/", "example.com"),
            ("https://bücher.example/", "xn--bcher-kva.example"),
            ("https://hook_s.example.com./", "hook_s.example.com."),
            ("https://8.8.8.8/", "8.8.8.8"),
            ("https://[2606:4700:4700::1111]:444/", "2606:4700:4700::1111"),
        ],
    )
    def test_allowed(self, url, host):
        assert host_of(checked_url(url, private_allowed=False)) == host

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9000/", "https://localhost/", "http://receiver/", "http://[::1]/"]
    )
    def test_allowed_where_private_ones_are(self, url):
        assert checked_url(url, private_allowed=True).scheme in ("http", "https")

    @pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://127.0.0.1/#x", "http:///x"])
    def test_their_form_matters_even_then(self, url):
        with pytest.raises(NotAllowed):
            checked_url(url, private_allowed=True)
