"""Which hosts are this machine itself, bare and in a header."""

import pytest

from app.network import is_loopback_address, is_loopback_host


class TestAddress:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
    def test_this_machine_alone(self, host):
        assert is_loopback_address(host)

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "::2", "10.0.0.1", "a", "", "127.0.0.1:80", "[::1]"])  # noqa: S104
    def test_others(self, host):
        assert not is_loopback_address(host)


class TestHeader:
    @pytest.mark.parametrize("header", ["127.0.0.1:8000", "localhost", "Localhost:80", "[::1]", "[::1]:8000"])
    def test_this_machine(self, header):
        assert is_loopback_host(header)

    @pytest.mark.parametrize("header", ["evil.example", "localhost.evil.example", "[", "[::2]:80", "::1", ""])
    def test_others(self, header):
        assert not is_loopback_host(header)
