"""The protocol, one coroutine per command: sends exactly what it is told, returns the response with its header.

A `RawClient` is a connection seen through one session and one tree connect; `as_session` and `on_tree` make others.
Every coroutine takes `how`, which may override any header field, the signature and the encryption. A failure status is
not an error here: `Response.expect` makes one of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from smbcore.client.message import DEFAULT, Encodable, How, Pending, Request, Response
from smbcore.client.negotiated import Negotiated, Offer, conclude
from smbcore.client.session import ClientSession
from smbcore.nt.access import FILE_GENERIC_READ
from smbcore.nt.attributes import FILE_ATTRIBUTE_NORMAL
from smbcore.nt.create import FILE_OPEN, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE
from smbcore.nt.status import Status
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.close import CloseRequest
from smbcore.wire.create import OPLOCK_NONE, CreateContext, CreateRequest
from smbcore.wire.echo import EchoRequest
from smbcore.wire.flush import FlushRequest
from smbcore.wire.ioctl import FLAG_IS_FSCTL, IoctlRequest
from smbcore.wire.lock import LockElement, LockRequest
from smbcore.wire.logoff import LogoffRequest
from smbcore.wire.negotiate import NegotiateRequest, NegotiateResponse
from smbcore.wire.oplock_break import LeaseBreakAcknowledgment, OplockBreakAcknowledgment
from smbcore.wire.query_directory import QueryDirectoryRequest
from smbcore.wire.query_info import INFO_FILE, QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.session_setup import SessionSetupRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.tree_connect import ShareFlags, TreeConnectRequest, TreeConnectResponse
from smbcore.wire.tree_disconnect import TreeDisconnectRequest
from smbcore.wire.types import ANY_FILE_ID
from smbcore.wire.write import WriteRequest

if TYPE_CHECKING:
    from smbcore.client.connection import Connection
    from smbcore.wire.types import Buffer

SHARE_ALL: Final = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
IMPERSONATION: Final = 2


class RawClient:
    """A connection as used by one session and tree connect.

    seal  encrypt every request, because the share wants it
    """

    __slots__ = ("connection", "seal", "session", "tree_id")

    def __init__(
        self, connection: Connection, session: ClientSession | None = None, tree_id: int = 0, *, seal: bool = False
    ) -> None:
        self.connection = connection
        self.session = session
        self.tree_id = tree_id
        self.seal = seal

    def as_session(self, session: ClientSession) -> RawClient:
        """Return a client of the same connection for `session`."""
        return RawClient(self.connection, session)

    def on_tree(self, response: Response) -> RawClient:
        """Return a client for the tree connect that `response` brought.  Raises NtError if it failed."""
        body = response.body_as(TreeConnectResponse)
        seal = bool(body.share_flags & ShareFlags.ENCRYPT_DATA)
        return RawClient(self.connection, self.session, response.header.tree_id, seal=seal)

    # -- any request --

    def request(self, body: Encodable | bytes, how: How = DEFAULT, command: int | None = None) -> Request:
        """Return `body` as a request of this session and tree connect; bytes need their `command`."""
        return Request(body, command, self.session, self.tree_id, self.seal, how)

    async def call(self, body: Encodable | bytes, how: How = DEFAULT, command: int | None = None) -> Response:
        """Send any request and return its final response."""
        return await self.connection.call(self.request(body, how, command))

    async def begin(self, body: Encodable | bytes, how: How = DEFAULT, command: int | None = None) -> Pending:
        """Send any request and return what waits for its answer."""
        return (await self.connection.start(self.request(body, how, command)))[0]

    async def compound(self, *bodies: Encodable, related: bool = True, how: How = DEFAULT) -> list[Response]:
        """Send requests in one frame and return all final responses."""
        return await self.connection.compound(*(self.request(body, how) for body in bodies), related=related)

    async def begin_compound(self, *bodies: Encodable, related: bool = True, how: How = DEFAULT) -> list[Pending]:
        """Send requests in one frame and return what waits for their answers."""
        return await self.connection.start(*(self.request(body, how) for body in bodies), related=related)

    async def cancel(self, pending: Pending, how: How = DEFAULT) -> None:
        """CANCEL a request; there is no answer to it but that of the request."""
        await self.connection.cancel(pending, how)

    # -- the connection and the session --

    async def negotiate(self, request: NegotiateRequest, how: How = DEFAULT) -> Response:
        """NEGOTIATE, without drawing conclusions; `negotiate` the function does."""
        return await self.call(request, how)

    async def session_setup(self, token: Buffer, how: How = DEFAULT, **fields: Any) -> Response:
        """SESSION_SETUP, one leg; `fields` of SessionSetupRequest."""
        return await self.call(SessionSetupRequest(token, **fields), how)

    async def logoff(self, how: How = DEFAULT) -> Response:
        """LOGOFF."""
        return await self.call(LogoffRequest(), how)

    async def echo(self, how: How = DEFAULT) -> Response:
        """ECHO."""
        return await self.call(EchoRequest(), how)

    async def tree_connect(self, path: str, how: How = DEFAULT, **fields: Any) -> Response:
        r"""TREE_CONNECT to `\\server\share`; `fields` of TreeConnectRequest."""
        return await self.call(TreeConnectRequest(path, **fields), how)

    async def tree_disconnect(self, how: How = DEFAULT) -> Response:
        """TREE_DISCONNECT."""
        return await self.call(TreeDisconnectRequest(), how)

    # -- opens --

    async def create(
        self,
        name: str,
        access: int = FILE_GENERIC_READ,
        disposition: int = FILE_OPEN,
        *,
        options: int = 0,
        share: int = SHARE_ALL,
        attributes: int = FILE_ATTRIBUTE_NORMAL,
        oplock: int = OPLOCK_NONE,
        impersonation: int = IMPERSONATION,
        contexts: Sequence[CreateContext] = (),
        how: How = DEFAULT,
    ) -> Response:
        """CREATE."""
        request = CreateRequest(
            oplock, impersonation, access, attributes, share, disposition, options, name, list(contexts)
        )
        return await self.call(request, how)

    async def close(self, file_id: bytes, flags: int = 0, how: How = DEFAULT) -> Response:
        """CLOSE."""
        return await self.call(CloseRequest(file_id, flags), how)

    async def flush(self, file_id: bytes, how: How = DEFAULT) -> Response:
        """FLUSH."""
        return await self.call(FlushRequest(file_id), how)

    async def read(self, file_id: bytes, offset: int, length: int, how: How = DEFAULT, **fields: Any) -> Response:
        """READ; `fields` of ReadRequest."""
        return await self.call(ReadRequest(file_id, offset, length, **fields), how)

    async def write(self, file_id: bytes, offset: int, data: Buffer, how: How = DEFAULT, **fields: Any) -> Response:
        """WRITE; `fields` of WriteRequest."""
        return await self.call(WriteRequest(file_id, offset, data, **fields), how)

    async def lock(
        self, file_id: bytes, locks: Sequence[LockElement], sequence: int = 0, how: How = DEFAULT
    ) -> Response:
        """LOCK."""
        return await self.call(LockRequest(file_id, list(locks), sequence), how)

    async def ioctl(
        self,
        code: int,
        data: Buffer = b"",
        *,
        file_id: bytes = ANY_FILE_ID,
        max_output: int = 65536,
        flags: int = FLAG_IS_FSCTL,
        how: How = DEFAULT,
    ) -> Response:
        """IOCTL."""
        return await self.call(IoctlRequest(code, file_id, data, max_output, flags), how)

    async def query_directory(
        self,
        file_id: bytes,
        info_class: int,
        pattern: str = "*",
        *,
        max_output: int = 65536,
        flags: int = 0,
        index: int = 0,
        how: How = DEFAULT,
    ) -> Response:
        """QUERY_DIRECTORY."""
        return await self.call(QueryDirectoryRequest(info_class, file_id, pattern, max_output, flags, index), how)

    async def change_notify(
        self, file_id: bytes, completion_filter: int, *, max_output: int = 65536, flags: int = 0, how: How = DEFAULT
    ) -> Response:
        """CHANGE_NOTIFY; returns once something changed. `begin` sends one without waiting."""
        return await self.call(ChangeNotifyRequest(file_id, max_output, completion_filter, flags), how)

    async def query_info(
        self,
        file_id: bytes,
        info_class: int,
        kind: int = INFO_FILE,
        *,
        max_output: int = 65536,
        how: How = DEFAULT,
        **fields: Any,
    ) -> Response:
        """QUERY_INFO; `fields` of QueryInfoRequest."""
        return await self.call(QueryInfoRequest(kind, info_class, file_id, max_output, **fields), how)

    async def set_info(
        self,
        file_id: bytes,
        info_class: int,
        data: Buffer,
        kind: int = INFO_FILE,
        *,
        additional_information: int = 0,
        how: How = DEFAULT,
    ) -> Response:
        """SET_INFO."""
        return await self.call(SetInfoRequest(kind, info_class, file_id, data, additional_information), how)

    async def acknowledge_oplock_break(self, file_id: bytes, level: int, how: How = DEFAULT) -> Response:
        """OPLOCK_BREAK of an oplock."""
        return await self.call(OplockBreakAcknowledgment(level, file_id), how)

    async def acknowledge_lease_break(self, lease_key: bytes, state: int, how: How = DEFAULT) -> Response:
        """OPLOCK_BREAK of a lease."""
        return await self.call(LeaseBreakAcknowledgment(lease_key, state), how)


async def negotiate(connection: Connection, offer: Offer | None = None) -> Negotiated:
    """Negotiate and remember what was agreed on.

    Raises NtError where the server refuses, BadReply where it picks what was not offered.
    """
    request = (offer or Offer()).request(connection.client_guid)
    (pending,) = await connection.start(Request(request))
    response = (await pending.response()).expect(Status.SUCCESS)
    connection.preauth.update(pending.sent)
    connection.preauth.update(response.message)
    return conclude(connection, request, response.body_as(NegotiateResponse))
