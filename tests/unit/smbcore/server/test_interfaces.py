"""[MS-SMB2 3.3.5.15.11, 2.2.32.5]"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from types import SimpleNamespace

import psutil
import pytest

from smbcore.nt.clock import ManualClock
from smbcore.nt.info.interfaces import RSS_CAPABLE, NetworkInterface
from smbcore.server import interfaces
from smbcore.server.interfaces import Interfaces, look

STATES = {
    "lo": SimpleNamespace(isup=True, speed=0),
    "eth0": SimpleNamespace(isup=True, speed=10_000),
    "eth1": SimpleNamespace(isup=True, speed=2_500),
    "eth2": SimpleNamespace(isup=False, speed=1_000),
    "gone": SimpleNamespace(isup=True, speed=1_000),
}
ADDRESSES = {
    "lo": ["127.0.0.1", "::1"],
    "eth0": ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "fe80::2", "02:00:00:00:00:01"],
    "eth0:1": ["192.0.2.9"],
    "eth1": ["198.51.100.1"],
    "eth2": ["203.0.113.1"],
    "gone": ["203.0.113.2"],
}
INDEXES = [(1, "lo"), (2, "eth0"), (3, "eth1"), (4, "eth2")]


def family(text: str) -> int:
    if text.count(":") == 5 and "::" not in text:
        return psutil.AF_LINK
    return socket.AF_INET6 if ":" in text else socket.AF_INET


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two cards that are up: one of 10 Gbit with several queues, one of 2.5 Gbit with one."""
    addresses = {
        name: [SimpleNamespace(address=text, family=family(text)) for text in texts]
        for name, texts in ADDRESSES.items()
    }
    monkeypatch.setattr(interfaces.psutil, "net_if_stats", lambda: STATES)
    monkeypatch.setattr(interfaces.psutil, "net_if_addrs", lambda: addresses)
    monkeypatch.setattr(interfaces.socket, "if_nameindex", lambda: INDEXES)
    monkeypatch.setattr(interfaces, "spreads_load", lambda name: name == "eth0")


def told(found: list[NetworkInterface]) -> list[tuple[int, int, int, str]]:
    return [(item.index, item.capability, item.link_speed, str(item.address)) for item in found]


FIRST = [
    (2, RSS_CAPABLE, 10**10, "192.0.2.1"), (2, RSS_CAPABLE, 10**10, "2001:db8::1"),
    (2, RSS_CAPABLE, 10**10, "192.0.2.9"), (3, 0, 2_500_000_000, "198.51.100.1"),
]  # fmt: skip
LOOPBACK = [(1, 0, 10**9, "127.0.0.1"), (1, 0, 10**9, "::1")]


def test_every_address_of_every_interface_that_is_up(machine: None) -> None:
    assert told(look()) == LOOPBACK + FIRST


@pytest.mark.parametrize("reached", ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1", "memory"])
def test_who_came_over_the_network_is_told_of_the_network(machine: None, reached: str) -> None:
    assert told(Interfaces(ManualClock()).usable(reached)) == FIRST


@pytest.mark.parametrize("reached", ["127.0.0.1", "127.0.0.7", "::1", "::ffff:127.0.0.1"])
def test_who_came_over_loopback_is_told_of_loopback(machine: None, reached: str) -> None:
    assert told(Interfaces(ManualClock()).usable(reached)) == LOOPBACK


@pytest.mark.parametrize("listening, addresses", [
    ([], ["192.0.2.1", "2001:db8::1", "192.0.2.9", "198.51.100.1"]),
    (["::"], ["192.0.2.1", "2001:db8::1", "192.0.2.9", "198.51.100.1"]),
    (["0.0.0.0"], ["192.0.2.1", "192.0.2.9", "198.51.100.1"]),
    (["192.0.2.1"], ["192.0.2.1"]),
    (["192.0.2.1", "2001:db8::1"], ["192.0.2.1", "2001:db8::1"]),
    (["127.0.0.1"], []),
])  # fmt: skip
def test_only_addresses_that_are_listened_on(machine: None, listening: list[str], addresses: list[str]) -> None:
    table = Interfaces(ManualClock())
    table.listening = listening
    assert [str(item.address) for item in table.usable("192.0.2.1")] == addresses


def test_the_system_is_asked_every_few_seconds_only() -> None:
    asked = []

    def answer() -> list[NetworkInterface]:
        asked.append(len(asked))
        return [NetworkInterface(len(asked), 0, 1, ip_address("192.0.2.1"))]

    clock = ManualClock()
    table = Interfaces(clock, answer)
    assert {table.usable("192.0.2.1")[0].index for _ in range(100)} == {1}
    clock.advance(5)
    assert table.usable("192.0.2.1")[0].index == 2


def test_what_this_machine_says_is_true() -> None:
    names = dict(socket.if_nameindex())
    for item in look():
        assert item.index in names
        assert item.link_speed > 0
    assert any(item.address.is_loopback for item in look())
