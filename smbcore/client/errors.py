"""What a client runs into beside the server's NTSTATUS."""

from __future__ import annotations


class ConnectionLost(Exception):
    """The connection ended, by whichever side, before the answer came."""


class BadReply(Exception):
    """The server's answer breaks the protocol: wrong signature, not sealed, not decodable."""
