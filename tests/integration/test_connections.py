"""Which addresses are this machine's own, as the kernel says."""

import socket

import pytest

from packshot.connections import is_ours


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "127.255.255.255"])
def test_loopback_is_ours(address: str) -> None:
    assert is_ours(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "2001:db8::1"])
def test_somebody_elses_address_is_not_ours_whether_it_can_be_reached_or_not(address: str) -> None:
    assert not is_ours(address)


def test_most_of_it_is_known_in_a_sandbox_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "AF_NETLINK", 99)

    assert is_ours("127.0.0.1")
    assert is_ours("::1")
    assert not is_ours("8.8.8.8")


def test_the_address_that_others_see_us_by_is_ours() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network, and so no other address")
        assert is_ours(unsent.getsockname()[0])
