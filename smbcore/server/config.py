"""What the server is told at its start and at every reload; nothing below reads environment or files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from smbcore.proto.keys import (
    CIPHER_AES128_CCM,
    CIPHER_AES128_GCM,
    CIPHER_AES256_CCM,
    CIPHER_AES256_GCM,
    DIALECT_202,
    DIALECT_311,
    SIGNING_AES_CMAC,
    SIGNING_AES_GMAC,
    SIGNING_HMAC_SHA256,
)
from smbcore.proto.sealing import KEY_LIMIT

MIB = 1024 * 1024


class Encryption(Enum):
    """Whether the server encrypts: never, when the client can, or only clients that can."""

    OFF = "off"
    OFFERED = "offered"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on everything that a peer can make grow.

    connections                 sockets that the server accepts at a time
    sessions_per_connection     signed-in or signing-in sessions
    channels_per_session        connections that share one session
    trees_per_session           tree connects
    opens_per_session           open handles
    pending_per_connection      requests that wait (notify, locks, breaks); also those of a session that go on though
                                their connection is lost
    frame_before_sign_in        bytes of one message before the first successful sign-in
    output_backlog              bytes of replies not yet taken by the client at which the server stops reading
    authentication_seconds      time from the connection to its first successful sign-in
    disconnected_opens          durable opens whose clients are away; beyond it they close with their connection
    kept_per_client             opens that outlive their connection, of one ClientGuid; beyond it they are not granted
    kept_per_user               the same of one user;  kept_per_session  of one session
    unanswered_breaks           breaks in a row that a client may leave unanswered before it gets no more oplocks; 0
                                for any number
    """

    connections: int = 4096
    sessions_per_connection: int = 256
    channels_per_session: int = 32
    trees_per_session: int = 4096
    opens_per_session: int = 65536
    pending_per_connection: int = 512
    frame_before_sign_in: int = 128 * 1024
    output_backlog: int = 16 * MIB
    authentication_seconds: float = 45.0
    disconnected_opens: int = 16384
    kept_per_client: int = 4096
    kept_per_user: int = 8192
    kept_per_session: int = 4096
    unanswered_breaks: int = 3


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Settings of one server process.

    server_guid       16 bytes, the same at every start of this node
    name              NetBIOS name, upper case
    dialects          lowest and highest dialect offered
    signing_required  refuse unsigned requests of every session
    encryption        see `Encryption`
    ciphers, signing  algorithm ids in the order in which the server prefers them
    max_transact, max_read, max_write   bytes; 64 KiB where the client has no multi-credit support
    max_sessions      sessions at a time, those that are signing in included
    session_lifetime  seconds after which a client has to prove again who it is; 0 for no limit
    break_retry       seconds after which a break notification that the peer's TCP does not take goes to another
                      channel; 0 sends it once, on the newest channel, as Windows does, and disconnects nobody
    unreachable_after seconds without an acknowledgment by TCP after which a client that has to answer a break is
                      disconnected (docs/decisions/0009-when-a-client-is-unreachable.md)
    key_limit         bytes that an encryption key protects before its session ends
    durable_timeout   seconds that a disconnected handle is kept whose client names no time
    test_controls     answer the control codes that test suites use to block connections; never in production
    """

    server_guid: bytes
    name: str = "HOLDFAST"
    min_dialect: int = DIALECT_202
    max_dialect: int = DIALECT_311
    signing_required: bool = False
    encryption: Encryption = Encryption.OFFERED
    ciphers: tuple[int, ...] = (CIPHER_AES128_GCM, CIPHER_AES256_GCM, CIPHER_AES128_CCM, CIPHER_AES256_CCM)
    signing: tuple[int, ...] = (SIGNING_AES_GMAC, SIGNING_AES_CMAC, SIGNING_HMAC_SHA256)
    max_transact: int = 8 * MIB
    max_read: int = 8 * MIB
    max_write: int = 8 * MIB
    max_credits: int = 8192
    multi_channel: bool = True
    allow_anonymous: bool = False
    allow_guest: bool = False
    interim_delay: float = 0.001
    max_sessions: int = 4096
    session_lifetime: float = 0.0
    break_timeout: float = 35.0
    break_retry: float = 1.25
    unreachable_after: float = 5.0
    key_limit: int = KEY_LIMIT
    durable_timeout: float = 60.0
    test_controls: bool = False
    limits: Limits = field(default_factory=Limits)
