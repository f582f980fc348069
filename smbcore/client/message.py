"""Requests as they are to be sent, and responses as they came."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from smbcore.client.errors import BadReply
from smbcore.nt.status import NtError, Status, describe
from smbcore.wire.error import ErrorResponse
from smbcore.wire.header import SERVER_TO_CLIENT_NOTIFICATION, Header, Opcode
from smbcore.wire.messages import REQUESTS, RESPONSES
from smbcore.wire.oplock_break import (
    LeaseBreakAcknowledgment,
    OplockBreakAcknowledgment,
    decode_break_notification,
    decode_break_response,
)
from smbcore.wire.reader import BodyReader
from smbcore.wire.server_notification import ServerNotification

if TYPE_CHECKING:
    from collections.abc import Callable

    from smbcore.client.session import ClientSession

T = TypeVar("T")

OPCODES: Final = MappingProxyType(
    {message: Opcode(opcode) for opcode, message in REQUESTS.items()}
    | {OplockBreakAcknowledgment: Opcode.OPLOCK_BREAK, LeaseBreakAcknowledgment: Opcode.OPLOCK_BREAK}
)
"""Command of each request class."""

_ERROR_SEVERITY: Final = 0xC000_0000
_IOCTL_SIZE: Final = 49
_WITH_BODY: Final = frozenset(
    {
        Status.SUCCESS,
        Status.MORE_PROCESSING_REQUIRED,
        Status.BUFFER_OVERFLOW,
        Status.NOTIFY_CLEANUP,
        Status.NOTIFY_ENUM_DIR,
    }
)


class Signature(Enum):
    """How a request is signed: as the session wants it, always, never, or wrongly."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"
    WRONG = "wrong"


@dataclass(slots=True, frozen=True)
class How:
    """How a request goes out. The defaults are what a well-behaved client does; None means "work it out".

    credits           asked for;  charge  CreditCharge
    message_id        used as it is, without waiting for credits or accounting for them
    flags             header flags, added to those that follow from the rest
    session_id, tree_id, channel_sequence   header fields
    seal              encrypt; None leaves it to the session and the tree
    timeout           seconds to wait for credits and for the answer
    """

    credits: int = 64
    charge: int | None = None
    message_id: int | None = None
    flags: int = 0
    session_id: int | None = None
    tree_id: int | None = None
    channel_sequence: int = 0
    signature: Signature = Signature.AUTO
    seal: bool | None = None
    timeout: float = 20.0


DEFAULT: Final = How()


class Encodable(Protocol):
    """The body of a request."""

    def encode(self) -> bytes:
        """Return the body, without the header."""


@dataclass(slots=True)
class Request:
    """One request: its body, for whom, and how.

    command  Opcode; None takes that of the body's class. A body of bytes needs it
    """

    body: Encodable | bytes
    command: int | None = None
    session: ClientSession | None = None
    tree_id: int = 0
    seal: bool = False
    how: How = DEFAULT

    @property
    def opcode(self) -> int:
        """The command."""
        return OPCODES[type(self.body)] if self.command is None else self.command  # type: ignore[index]

    def encode(self) -> bytes:
        """Return the body's bytes."""
        return self.body if isinstance(self.body, bytes) else self.body.encode()


@dataclass(slots=True)
class Response:
    """One response with its header.

    message      the whole message, from its header to its end
    body         decoded: the command's response class, or ErrorResponse
    sealed       it came encrypted;  verified  it was signed, and rightly (unknown keys leave it False)
    session      whose request it answers
    """

    header: Header
    message: memoryview
    body: Any
    sealed: bool = False
    verified: bool = False
    session: ClientSession | None = None

    @property
    def status(self) -> Status | int:
        """NTSTATUS of the header."""
        try:
            return Status(self.header.status)
        except ValueError:
            return self.header.status

    @property
    def credits(self) -> int:
        """Credits granted."""
        return self.header.credits

    @property
    def flags(self) -> int:
        """Header flags."""
        return self.header.flags

    def expect(self, *wanted: Status) -> Response:
        """Return the response if its status is one of `wanted` (SUCCESS if none is named), raise NtError otherwise."""
        if self.status in (wanted or (Status.SUCCESS,)):
            return self
        status = self.status if isinstance(self.status, Status) else Status.UNSUCCESSFUL
        names = " or ".join(status.name for status in wanted) or "SUCCESS"
        command = Opcode(self.header.command).name
        raise NtError(status, f"{command} answered {describe(self.header.status)}, wanted {names}")

    def body_as(self, kind: type[T]) -> T:
        """Return the body as `kind`; raises the failure as NtError, BadReply for another class."""
        if isinstance(self.body, kind):
            return self.body
        self.expect()
        raise BadReply(f"{type(self.body).__name__} where {kind.__name__} belongs")


@dataclass(slots=True, eq=False)
class Pending:
    """A request that was sent: its final response, and the interim one if there is one.

    sent     the message as it was before encryption
    interim  done once STATUS_PENDING came; never if the server answers at once
    """

    request: Request
    message_id: int
    charge: int
    session_id: int
    sent: bytes
    final: asyncio.Future[Response] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    interim: asyncio.Future[Response] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def response(self, timeout: float | None = None) -> Response:  # noqa: ASYNC109 - of `How`, if not given
        """Wait for the final response.  Raises TimeoutError, ConnectionLost, BadReply."""
        async with asyncio.timeout(self.request.how.timeout if timeout is None else timeout):
            return await asyncio.shield(self.final)

    async def pending(self) -> Response:
        """Wait for the interim response.  Raises BadReply if the final one comes without it."""
        async with asyncio.timeout(self.request.how.timeout):
            await asyncio.wait({self.interim, self.final}, return_when=asyncio.FIRST_COMPLETED)
        if not self.interim.done():
            raise BadReply(f"answered without an interim response: {await self.final!r}")
        return self.interim.result()

    @property
    def async_id(self) -> int:
        """AsyncId of the interim response, 0 if there was none."""
        return self.interim.result().header.async_id if self.interim.done() else 0


def decode_body(header: Header, message: memoryview) -> Any:
    """Decode a response body.  Raises WireError, BadReply for a command that has no response."""
    reader = BodyReader(message)
    if not _carries_response(header, reader):
        return ErrorResponse.decode(reader)
    decode: Callable[[BodyReader], Any]
    if header.command == Opcode.OPLOCK_BREAK:
        decode = decode_break_response
    elif header.command in RESPONSES:
        decode = RESPONSES[header.command].decode
    else:
        raise BadReply(f"response to command {header.command}")
    return decode(reader)


def _carries_response(header: Header, reader: BodyReader) -> bool:
    if header.status in _WITH_BODY:
        return True
    if header.command == Opcode.IOCTL and reader.structure_size() == _IOCTL_SIZE:
        return True
    return header.status & _ERROR_SEVERITY == 0 and header.status != Status.PENDING


def decode_notification(header: Header, message: memoryview) -> Any:
    """Decode an oplock or lease break notification, or what else a server says unasked; raises WireError."""
    reader = BodyReader(message)
    if header.command == SERVER_TO_CLIENT_NOTIFICATION:
        return ServerNotification.decode(reader)
    return decode_break_notification(reader)


def checked(response: Response, *wanted: Status) -> Response:
    """Return a response of a wanted status that came protected as the session demands.

    Raises NtError with the server's status, BadReply for an answer that somebody else may have written.
    """
    session = response.session
    if session is not None and session.sign and not (response.sealed or response.verified):
        raise BadReply("the session signs, the answer is not signed")
    return response.expect(*wanted)
