"""What the two sides agree on: dialect, capabilities, hash, cipher, signing  [MS-SMB2 3.3.5.3, 3.3.5.4].

Decisions are pure functions over what was offered and the server's preference; `commands/negotiate.py` applies them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from smbcore.nt.status import NtError, Status
from smbcore.proto.errors import ProtocolViolation
from smbcore.proto.framing import frame_header
from smbcore.proto.keys import CIPHER_AES128_CCM, DIALECT_202, DIALECT_210, DIALECT_300, DIALECT_311, SIGNING_AES_CMAC
from smbcore.server.config import Encryption as EncryptionPolicy
from smbcore.server.config import ServerConfig
from smbcore.wire.header import HEADER_SIZE, NEGOTIATE, pack_response_into
from smbcore.wire.negotiate import Capabilities, Dialect, NegotiateResponse, SecurityMode
from smbcore.wire.negotiate_contexts import (
    Compression,
    Encryption,
    HashAlgorithm,
    NegotiateContext,
    Netname,
    Preauth,
    Signing,
    Transport,
)
from smbcore.wire.smb1 import MultiProtocolNegotiate

if TYPE_CHECKING:
    from smbcore.server.connection import SmbConnection

KNOWN_DIALECTS: Final = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)
SMALL_IO: Final = 65536
SALT_SIZE: Final = 32
_DIALECT_2002: Final = "SMB 2.002"
_DIALECT_WILDCARD: Final = "SMB 2.???"


def choose_dialect(offered: Iterable[int], config: ServerConfig) -> int:
    """Return the highest dialect that both sides speak.  Raises NOT_SUPPORTED where there is none."""
    usable = [d for d in offered if d in KNOWN_DIALECTS and config.min_dialect <= d <= config.max_dialect]
    if not usable:
        raise NtError(Status.NOT_SUPPORTED, "no common dialect")
    return max(usable)


def choose(offered: Sequence[int], preferred: Sequence[int]) -> int | None:
    """Return the first of `preferred` that was offered."""
    return next((item for item in preferred if item in offered), None)


def server_capabilities(dialect: int, client: int, config: ServerConfig) -> int:
    """Return the capability bits for this dialect, for 3.x only those that the client has too  [MS-SMB2 3.3.5.4]."""
    if dialect == DIALECT_202:
        return 0
    bits = int(Capabilities.LEASING | Capabilities.LARGE_MTU)
    if dialect == DIALECT_210:
        return bits
    offered = Capabilities.PERSISTENT_HANDLES | Capabilities.DIRECTORY_LEASING
    if config.multi_channel:
        offered |= Capabilities.MULTI_CHANNEL
    if dialect == DIALECT_311:
        offered |= Capabilities.NOTIFICATIONS
    if dialect < DIALECT_311 and config.encryption is not EncryptionPolicy.OFF:
        offered |= Capabilities.ENCRYPTION
    return bits | (int(offered) & client)


def security_mode(config: ServerConfig) -> int:
    """Return the server's SecurityMode."""
    mode = SecurityMode.SIGNING_ENABLED
    if config.signing_required:
        mode |= SecurityMode.SIGNING_REQUIRED
    return int(mode)


def one_of_each(contexts: Iterable[NegotiateContext]) -> dict[type, NegotiateContext]:
    """Index contexts by class; a known type that comes twice is INVALID_PARAMETER, unknown types are ignored."""
    found: dict[type, NegotiateContext] = {}
    for context in contexts:
        kind = type(context)
        if kind in found and kind in (Preauth, Encryption, Compression, Netname, Transport, Signing):
            raise NtError(Status.INVALID_PARAMETER, f"{kind.__name__} context twice")
        found[kind] = context
    return found


def negotiate_contexts(connection: SmbConnection, offered: Iterable[NegotiateContext]) -> list[NegotiateContext]:
    """Settle hash, cipher and signing of a 3.1.1 connection and return the contexts to answer with.

    Raises INVALID_PARAMETER, NO_PREAUTH_INTEGRITY_HASH_OVERLAP; nothing is settled then.
    """
    contexts = one_of_each(offered)
    cipher, algorithm = 0, SIGNING_AES_CMAC
    config = connection.server.config
    preauth = contexts.get(Preauth)
    if not isinstance(preauth, Preauth) or not preauth.hash_algorithms:
        raise NtError(Status.INVALID_PARAMETER, "no preauthentication integrity context")
    if HashAlgorithm.SHA_512 not in preauth.hash_algorithms:
        raise NtError(Status.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP, "no SHA-512")
    answer: list[NegotiateContext] = [Preauth([HashAlgorithm.SHA_512], os.urandom(SALT_SIZE))]
    encryption = contexts.get(Encryption)
    if isinstance(encryption, Encryption):
        if not encryption.ciphers:
            raise NtError(Status.INVALID_PARAMETER, "no ciphers")
        wanted = config.ciphers if config.encryption is not EncryptionPolicy.OFF else ()
        cipher = choose(encryption.ciphers, wanted) or 0
        answer.append(Encryption([cipher]))
    signing = contexts.get(Signing)
    if isinstance(signing, Signing):
        if not signing.algorithms:
            raise NtError(Status.INVALID_PARAMETER, "no signing algorithms")
        chosen = choose(signing.algorithms, config.signing)
        if chosen is not None:
            algorithm = chosen
            answer.append(Signing([chosen]))
    compression = contexts.get(Compression)
    if isinstance(compression, Compression):
        if not compression.algorithms:
            raise NtError(Status.INVALID_PARAMETER, "no compression algorithms")
        answer.append(Compression([0]))
    connection.cipher, connection.signing_algorithm = cipher, algorithm
    return answer


def settle(connection: SmbConnection, dialect: int, capabilities: int) -> None:
    """Fix what follows from the dialect."""
    config = connection.server.config
    connection.dialect = dialect
    connection.supports_multi_credit = dialect not in (DIALECT_202, Dialect.WILDCARD)
    connection.server_capabilities = server_capabilities(dialect, capabilities, config)
    connection.supports_notifications = bool(connection.server_capabilities & Capabilities.NOTIFICATIONS)
    connection.server_security_mode = security_mode(config)
    if connection.supports_multi_credit:
        connection.max_transact = config.max_transact
        connection.max_read = config.max_read
        connection.max_write = config.max_write
    if DIALECT_300 <= dialect < DIALECT_311:
        connection.signing_algorithm = SIGNING_AES_CMAC
        if connection.server_capabilities & Capabilities.ENCRYPTION:
            connection.cipher = CIPHER_AES128_CCM


def response(connection: SmbConnection, dialect: int, contexts: list[NegotiateContext]) -> NegotiateResponse:
    """Build the NEGOTIATE response  [MS-SMB2 3.3.5.4]."""
    server = connection.server
    config = server.config
    return NegotiateResponse(
        security_mode=connection.server_security_mode,
        dialect=dialect,
        server_guid=config.server_guid,
        capabilities=connection.server_capabilities,
        max_transact=connection.max_transact,
        max_read=connection.max_read,
        max_write=connection.max_write,
        system_time=server.clock.now(),
        server_start_time=0,
        security_buffer=server.authenticator.hint(),
        contexts=contexts,
    )


def multi_protocol(connection: SmbConnection, frame: memoryview) -> None:
    """Answer an SMB1 NEGOTIATE that offers SMB2  [MS-SMB2 3.3.5.3.1, 3.3.5.3.2].

    Raises ProtocolViolation where no SMB2 dialect is offered, WireError where the message is malformed.
    """
    offered = MultiProtocolNegotiate.decode(frame).dialects
    config = connection.server.config
    if connection.dialect:
        raise ProtocolViolation("SMB1 message after NEGOTIATE")
    if _DIALECT_WILDCARD in offered and config.max_dialect > DIALECT_202:
        connection.dialect = Dialect.WILDCARD
        connection.supports_multi_credit = True
        connection.server_capabilities = int(Capabilities.LEASING | Capabilities.LARGE_MTU)
        connection.server_security_mode = security_mode(config)
        dialect = int(Dialect.WILDCARD)
    elif _DIALECT_2002 in offered and config.min_dialect <= DIALECT_202:
        settle(connection, DIALECT_202, 0)
        dialect = DIALECT_202
    else:
        raise ProtocolViolation(f"no SMB2 dialect in {offered}")
    body = response(connection, dialect, []).encode()
    message = bytearray(HEADER_SIZE + len(body))
    message[HEADER_SIZE:] = body
    connection.window.consume(0, 1)
    pack_response_into(
        message, 0, credit_charge=0, status=Status.SUCCESS, command=NEGOTIATE, credits=connection.window.grant(1),
        flags=0, next_command=0, message_id=0, tail64=0, session_id=0,
    )  # fmt: skip
    connection.transport.write((frame_header(len(message)), message))
