"""A unix socket that only its owner may use, put in place atomically."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path

from smbcore.control.errors import ControlUnavailable

MAX_PATH = 107
"""Most bytes of a unix socket's path (sun_path without its NUL)."""

_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid: struct ucred, unix(7)
_BACKLOG = 64
_CONNECT_TIMEOUT = 1.0


def open_socket(path: Path) -> socket.socket:
    """Return a listening socket at `path` with mode 0600; one left by a dead server is replaced.

    It is made beside `path` and gets its mode before it listens, so nobody ever meets it half made.
    Errors:  ControlUnavailable  path too long, or another server listens there, or it cannot be made
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    if len(os.fsencode(temporary)) > MAX_PATH:
        raise ControlUnavailable(f"the path of the control socket is too long: {path}")
    if _is_served(path):
        raise ControlUnavailable(f"another server listens at {path}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        temporary.unlink(missing_ok=True)
        listener.bind(os.fspath(temporary))
        temporary.chmod(0o600)
        listener.listen(_BACKLOG)
        temporary.replace(path)
    except OSError as error:
        listener.close()
        temporary.unlink(missing_ok=True)
        raise ControlUnavailable(f"the control socket {path} cannot be made: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end, as the kernel vouches for it."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])


def is_allowed(uid: int) -> bool:
    """Tell whether a user may give commands: the server's own user, and root."""
    return uid in (0, os.geteuid())


def _is_served(path: Path) -> bool:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(_CONNECT_TIMEOUT)
    try:
        probe.connect(os.fspath(path))
    except OSError as error:
        # A full backlog (EAGAIN) or a slow answer is a sign of life too.
        return isinstance(error, TimeoutError) or error.errno == errno.EAGAIN
    finally:
        probe.close()
    return True
