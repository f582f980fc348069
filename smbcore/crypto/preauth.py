"""The preauthentication integrity hash of dialect 3.1.1  [MS-SMB2 3.3.5.4, 3.3.5.5]."""

from __future__ import annotations

import hashlib

from smbcore.crypto.mac import Buffer

HASH_SIZE = 64


class PreauthHash:
    """SHA-512 chain over whole messages: value = SHA-512(value + message), starting from 64 zero bytes.

    The connection chains NEGOTIATE request and response; every authentication exchange goes on from a `copy`.
    """

    __slots__ = ("value",)

    def __init__(self, value: bytes = bytes(HASH_SIZE)) -> None:
        self.value = value

    def update(self, *parts: Buffer) -> None:
        """Chain one message, given in one or more parts, from its SMB2 header to its end."""
        digest = hashlib.sha512(self.value)
        for part in parts:
            digest.update(part)
        self.value = digest.digest()

    def copy(self) -> PreauthHash:
        """An independent chain that continues from here."""
        return PreauthHash(self.value)
