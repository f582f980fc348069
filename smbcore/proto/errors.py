"""The error that ends a connection."""

from __future__ import annotations


class ProtocolViolation(Exception):
    """The peer broke a rule for which the specification's answer is to drop the connection without a reply."""
