"""Network interfaces of the server, for multi-channel  [MS-SMB2 2.2.32.5]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from smbcore.nt.errors import WireError
from smbcore.nt.info.buffers import Buffer, join_aligned, next_entry, unpack

_ENTRY = Struct("<III4xQ128s")  # Next, IfIndex, Capability, Reserved, LinkSpeed, SockAddr_Storage
_IPV4 = Struct("<HH4s")  # Family, Port, IPv4Address
_IPV6 = Struct("<HHI16sI")  # Family, Port, FlowInfo, IPv6Address, ScopeId
_FAMILY_IPV4 = 0x0002
_FAMILY_IPV6 = 0x0017

RSS_CAPABLE = 0x1
RDMA_CAPABLE = 0x2


@dataclass(slots=True)
class NetworkInterface:
    """One address of one interface.

    index       of the interface; addresses of one interface share it
    capability  RSS_CAPABLE and RDMA_CAPABLE
    link_speed  bits per second
    """

    index: int
    capability: int
    link_speed: int
    address: IPv4Address | IPv6Address


def encode_interfaces(interfaces: Iterable[NetworkInterface]) -> bytes:
    """Encode the reply of FSCTL_QUERY_NETWORK_INTERFACE_INFO."""
    return join_aligned(
        [_ENTRY.pack(0, i.index, i.capability, i.link_speed, _encode_address(i.address)) for i in interfaces],
        8,
    )


def decode_interfaces(data: Buffer) -> list[NetworkInterface]:
    """Decode the reply of FSCTL_QUERY_NETWORK_INTERFACE_INFO. Raises WireError."""
    interfaces: list[NetworkInterface] = []
    offset = 0 if len(data) else -1
    while offset >= 0:
        step, index, capability, speed, storage = unpack(_ENTRY, data, offset)
        interfaces.append(NetworkInterface(index, capability, speed, _decode_address(storage)))
        offset = next_entry(data, offset, step, _ENTRY.size)
    return interfaces


def _encode_address(address: IPv4Address | IPv6Address) -> bytes:
    if isinstance(address, IPv4Address):
        return _IPV4.pack(_FAMILY_IPV4, 0, address.packed)
    return _IPV6.pack(_FAMILY_IPV6, 0, 0, address.packed, 0)


def _decode_address(storage: bytes) -> IPv4Address | IPv6Address:
    family = int.from_bytes(storage[:2], "little")
    if family == _FAMILY_IPV4:
        return IPv4Address(_IPV4.unpack_from(storage)[2])
    if family == _FAMILY_IPV6:
        return IPv6Address(_IPV6.unpack_from(storage)[3])
    msg = f"address family {family:#x}"
    raise WireError(msg)
