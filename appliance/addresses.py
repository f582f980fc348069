"""Addresses as people type them: `HOST:PORT`, `[::1]:PORT`, `:PORT` or `PORT`."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from appliance.errors import UsageProblem

_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens.

    host  a literal address or a host name, without brackets
    port  0 lets the system choose
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, default_host: str = "127.0.0.1") -> Address:
        """Read an address; raise UsageProblem with one line if it is not one."""
        host, _, port = text.rpartition(":")
        if not port.isdigit() or int(port) > _MAX_PORT:
            raise UsageProblem(f"{text!r} is not an address: write HOST:PORT, for example 127.0.0.1:4450")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise UsageProblem(f"{text!r}: put an IPv6 address in brackets, for example [::1]:4450")
        return cls(host or default_host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, *, tls: bool = False) -> str:
        """Return the address that a browser on this machine can open."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"{'https' if tls else 'http'}://{Address(host, self.port)}"


def bound_socket(address: Address) -> socket.socket:
    """Bind and return a listening TCP socket; raise UsageProblem if the address cannot be had."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise UsageProblem(f"cannot listen on {address}: {error.strerror}") from error
    family, kind, protocol, _, where = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise UsageProblem(f"cannot listen on {address}: {_reason(error, address)}") from error
    return listener


def check_free(address: Address) -> None:
    """Raise UsageProblem if something else listens on `address`."""
    if address.port:
        bound_socket(address).close()


def _reason(error: OSError, address: Address) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {address.port} is taken by another program"
    if error.errno == errno.EACCES:
        return f"port {address.port} needs the capability CAP_NET_BIND_SERVICE"
    return error.strerror or str(error)
