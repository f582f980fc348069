"""The network interfaces that further channels of a session may use  [MS-SMB2 3.3.5.15.11, 2.2.32.5].

Clients decide by them how many connections they open and where to: one for each interface, several where it says that
it spreads what it receives over several processors (RSS), and only the fastest ones. So what is told is what the
system says, and only addresses at which this server can be reached.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import psutil

from smbcore.nt.info.interfaces import RSS_CAPABLE, NetworkInterface
from smbcore.server.listeners.receive_queues import spreads_load

if TYPE_CHECKING:
    from smbcore.nt.clock import Clock

_MBIT: Final = 1_000_000
_DEFAULT_SPEED: Final = 1000 * _MBIT
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_LOOK_AGAIN: Final = 5.0

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def look() -> list[NetworkInterface]:
    """Ask the system for the addresses of every interface that is up, with speed in bits per second and RSS.

    An interface whose speed is unknown, as that of most virtual ones, counts as one of a gigabit. Link-local IPv6
    addresses mean nothing to a client without the name of its own interface, and are left out.
    """
    states = psutil.net_if_stats()
    indexes = {name: index for index, name in socket.if_nameindex()}
    found = []
    for label, addresses in psutil.net_if_addrs().items():
        name = label.partition(":")[0]  # further addresses of eth0 may be labelled eth0:1
        state = states.get(name)
        if state is None or not state.isup or not indexes.get(name):
            continue
        speed = state.speed * _MBIT if state.speed > 0 else _DEFAULT_SPEED
        capability = RSS_CAPABLE if spreads_load(name) else 0
        found += [
            NetworkInterface(indexes[name], capability, speed, address)
            for address in _ip_addresses(addresses)
            if not (address.version == 6 and address.is_link_local)
        ]
    return found


def _ip_addresses(addresses: Iterable[psutil._ntp.snicaddr]) -> list[IpAddress]:
    return [ipaddress.ip_address(item.address) for item in addresses if item.family in _FAMILIES]


class Interfaces:
    """What the system says, remembered for a few seconds: it takes long to say, and clients may ask all the time.

    Owned by `SmbServer`.
    listening  the addresses that the server listens on, one for each listener
    """

    __slots__ = ("_clock", "_found", "_look", "_looked_at", "listening")

    def __init__(self, clock: Clock, look: Callable[[], list[NetworkInterface]] = look) -> None:
        self._clock = clock
        self._look = look
        self._found: list[NetworkInterface] = []
        self._looked_at: float | None = None
        self.listening: list[str] = []

    def usable(self, local_address: str) -> list[NetworkInterface]:
        """Return what a client can use that has reached `local_address`.

        One that came over loopback is told of loopback addresses only, every other one of all others.
        """
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= _LOOK_AGAIN:
            self._found, self._looked_at = self._look(), now
        mine = _parse(local_address)
        loopback = mine is not None and mine.is_loopback
        return [item for item in self._found if item.address.is_loopback == loopback and self._is_served(item.address)]

    def _is_served(self, address: IpAddress) -> bool:
        """Tell whether a listener takes connections to `address`; without any, it is somebody else who listens."""
        listening = [parsed for host in self.listening if (parsed := _parse(host)) is not None]
        return not listening or any(_takes(host, address) for host in listening)


def _takes(listening: IpAddress, address: IpAddress) -> bool:
    if listening.is_unspecified:
        return listening.version == 6 or address.version == 4
    return listening == address


def _parse(text: str) -> IpAddress | None:
    """Return an address; one of IPv4 that came through an IPv6 socket as what it is."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if address.version == 6 else address
