"""The network interfaces that further channels of a session may use  [MS-SMB2 2.2.32.5]."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

import psutil

from smbcore.nt.info.interfaces import RSS_CAPABLE, NetworkInterface

_MBIT: Final = 1_000_000
_DEFAULT_SPEED: Final = 1000 * _MBIT


def usable(local_address: str) -> list[NetworkInterface]:
    """Return the interfaces that are up, with their speed in bits per second.

    A client that came over loopback is told of loopback addresses only, every other one of all others: what it can
    reach.
    """
    loopback = _is_loopback(local_address)
    stats = psutil.net_if_stats()
    names = {name: index for index, name in socket.if_nameindex()}
    found = []
    for name, addresses in psutil.net_if_addrs().items():
        state = stats.get(name)
        if state is None or not state.isup or name not in names:
            continue
        speed = state.speed * _MBIT if state.speed > 0 else _DEFAULT_SPEED
        for address in addresses:
            if address.family not in (socket.AF_INET, socket.AF_INET6) or "%" in address.address:
                continue
            if _is_loopback(address.address) == loopback:
                found.append(NetworkInterface(names[name], RSS_CAPABLE, speed, ipaddress.ip_address(address.address)))
    return found


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
