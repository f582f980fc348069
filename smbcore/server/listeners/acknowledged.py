"""What the kernel knows of how far the peer has acknowledged a TCP stream (Linux)."""

from __future__ import annotations

import fcntl
import socket
from struct import Struct
from typing import Final

_SIOCOUTQ: Final = 0x5411
_COUNT: Final = Struct("@i")
_BYTES_ACKED: Final = Struct("@Q")
_BYTES_ACKED_AT: Final = 120  # tcpi_bytes_acked in struct tcp_info


def acknowledged(sock: socket.socket) -> int:
    """Return the bytes that the peer has acknowledged since the connection began.  Raises OSError."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED_AT + _BYTES_ACKED.size)
    count: int = _BYTES_ACKED.unpack_from(info, _BYTES_ACKED_AT)[0]
    return count


def unacknowledged(sock: socket.socket) -> int:
    """Return the bytes in the socket's output queue, sent or not.  Raises OSError."""
    count: int = _COUNT.unpack(fcntl.ioctl(sock, _SIOCOUTQ, bytes(_COUNT.size)))[0]
    return count
