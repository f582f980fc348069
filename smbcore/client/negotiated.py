"""Negotiation from the client's side  [MS-SMB2 3.2.4.2.2, 3.2.5.2]."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smbcore.client.errors import BadReply
from smbcore.proto.keys import (
    CIPHER_AES128_CCM,
    CIPHER_AES128_GCM,
    CIPHER_AES256_CCM,
    CIPHER_AES256_GCM,
    DIALECT_202,
    DIALECT_300,
    DIALECT_311,
    SIGNING_AES_CMAC,
    SIGNING_AES_GMAC,
    SIGNING_HMAC_SHA256,
)
from smbcore.wire.negotiate import Capabilities, NegotiateRequest, NegotiateResponse, SecurityMode
from smbcore.wire.negotiate_contexts import Encryption, HashAlgorithm, NegotiateContext, Preauth, Signing

if TYPE_CHECKING:
    from smbcore.client.connection import Connection

ALL_DIALECTS: Final = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)
ALL_CIPHERS: Final = (CIPHER_AES128_GCM, CIPHER_AES256_GCM, CIPHER_AES128_CCM, CIPHER_AES256_CCM)
ALL_SIGNING: Final = (SIGNING_AES_GMAC, SIGNING_AES_CMAC, SIGNING_HMAC_SHA256)
CAPABILITIES: Final = int(
    Capabilities.LEASING
    | Capabilities.LARGE_MTU
    | Capabilities.MULTI_CHANNEL
    | Capabilities.PERSISTENT_HANDLES
    | Capabilities.DIRECTORY_LEASING
    | Capabilities.ENCRYPTION
)
_SALT_SIZE: Final = 32


@dataclass(slots=True, frozen=True)
class Offer:
    """What the client offers.

    ciphers, signing  algorithm ids by preference, for 3.1.1; empty leaves the context out
    contexts          sent instead of the contexts made from these, if not None
    """

    dialects: Sequence[int] = ALL_DIALECTS
    security_mode: int = int(SecurityMode.SIGNING_ENABLED)
    capabilities: int = CAPABILITIES
    ciphers: Sequence[int] = ALL_CIPHERS
    signing: Sequence[int] = ALL_SIGNING
    contexts: Sequence[NegotiateContext] | None = None

    def request(self, client_guid: bytes) -> NegotiateRequest:
        """Return the request; contexts only where 3.1.1 is offered, capabilities only where 3.x is."""
        newest = max(self.dialects, default=0)
        return NegotiateRequest(
            self.security_mode,
            self.capabilities if newest >= DIALECT_300 else 0,
            client_guid if newest > DIALECT_202 else bytes(16),
            list(self.dialects),
            self._contexts() if DIALECT_311 in self.dialects else [],
        )

    def _contexts(self) -> list[NegotiateContext]:
        if self.contexts is not None:
            return list(self.contexts)
        contexts: list[NegotiateContext] = [Preauth([HashAlgorithm.SHA_512], os.urandom(_SALT_SIZE))]
        if self.ciphers:
            contexts.append(Encryption(list(self.ciphers)))
        if self.signing:
            contexts.append(Signing(list(self.signing)))
        return contexts


@dataclass(slots=True)
class Negotiated:
    """What client and server agreed on.

    cipher             0 where nothing can be encrypted;  signing_algorithm  as proto.signing numbers them
    multi_credit       requests may be larger than 64 KiB, and cost accordingly
    """

    request: NegotiateRequest
    response: NegotiateResponse
    dialect: int
    cipher: int = 0
    signing_algorithm: int = SIGNING_HMAC_SHA256
    multi_credit: bool = False
    hint: bytes = field(default=b"", repr=False)


def conclude(connection: Connection, request: NegotiateRequest, response: NegotiateResponse) -> Negotiated:
    """Work out what follows from the server's answer.  Raises BadReply where it picks what was not offered."""
    dialect = response.dialect
    if dialect not in request.dialects:
        raise BadReply(f"the server picked dialect {dialect:#x}")
    result = Negotiated(request, response, dialect, hint=bytes(response.security_buffer))
    result.multi_credit = dialect > DIALECT_202 and bool(response.capabilities & Capabilities.LARGE_MTU)
    if dialect >= DIALECT_300:
        result.signing_algorithm = SIGNING_AES_CMAC
    if DIALECT_300 <= dialect < DIALECT_311 and response.capabilities & Capabilities.ENCRYPTION:
        result.cipher = CIPHER_AES128_CCM
    if dialect == DIALECT_311:
        _conclude_contexts(result, request, response)
    connection.negotiated = result
    return result


def _conclude_contexts(result: Negotiated, request: NegotiateRequest, response: NegotiateResponse) -> None:
    chosen = {type(context): context for context in response.contexts}
    offered = {type(context): context for context in request.contexts}
    preauth = chosen.get(Preauth)
    if not isinstance(preauth, Preauth) or preauth.hash_algorithms != [HashAlgorithm.SHA_512]:
        raise BadReply("no SHA-512 in the server's preauthentication context")
    encryption, ciphers = chosen.get(Encryption), offered.get(Encryption)
    if isinstance(encryption, Encryption) and encryption.ciphers and encryption.ciphers[0]:
        if not isinstance(ciphers, Encryption) or encryption.ciphers[0] not in ciphers.ciphers:
            raise BadReply(f"the server picked cipher {encryption.ciphers[0]}")
        result.cipher = encryption.ciphers[0]
    signing, algorithms = chosen.get(Signing), offered.get(Signing)
    if isinstance(signing, Signing):
        offers = algorithms.algorithms if isinstance(algorithms, Signing) else []
        if len(signing.algorithms) != 1 or signing.algorithms[0] not in offers:
            raise BadReply(f"the server picked signing algorithms {signing.algorithms}")
        result.signing_algorithm = signing.algorithms[0]
