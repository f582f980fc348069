"""One request while the server works on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from smbcore.nt.status import NtError, Status
from smbcore.proto.window import credit_charge
from smbcore.server import sequence
from smbcore.wire.header import FLAG_RELATED, FLAG_REPLAY, FLAG_SIGNED

if TYPE_CHECKING:
    from smbcore.nt.clock import Clock
    from smbcore.proto.signing import Signer
    from smbcore.server.chain import Chain
    from smbcore.server.connection import SmbConnection
    from smbcore.server.open import SmbOpen
    from smbcore.server.server import SmbServer
    from smbcore.server.session import SmbChannel, SmbSession
    from smbcore.server.tree_connect import SmbTreeConnect
    from smbcore.server.under_way import UnderWay

T = TypeVar("T")
SUCCESS = Status.SUCCESS
_ONE_CREDIT: Final = 65536


class SmbRequest:
    """A request between arrival and reply  [MS-SMB2 3.3.1.13].

    Owned by its connection (`requests`, while it waits) or by nobody (while it runs). `session`, `tree` and `open` are
    what the command's table row promised. `status` may be set by a handler whose success carries a warning.

    sealed     the session that encrypted the request, or None
    granted    credits that the next response brings; once the request is a task, the window is closed until then
    interim    an interim response went out, so the final one is asynchronous
    waits      the handler is inside `suspend`: CANCEL may end it and the client may be told to wait
    outlives   goes on when its connection is lost and its session is not: the client will ask again for the result
    cancel_status  the answer if the wait is ended from outside; set once the request is a task
    reply_signer  signs the reply where no channel does: while a connection is being bound
    under_way  where the request is noted while it works on a file; set once the request is a task
    on_reply   called with the finished reply message just before it leaves (pre-authentication integrity)
    """

    __slots__ = (
        "async_id", "cancel_status", "chain", "channel", "charge", "command", "connection", "credits", "flags",
        "granted", "interim", "message_id", "on_reply", "open", "outlives", "process_id",
        "reply_signer", "sealed", "sequence", "session", "session_id", "status", "task", "tree", "tree_id",
        "under_way", "view", "waits",
    )  # fmt: skip

    connection: SmbConnection
    session: SmbSession
    tree: SmbTreeConnect
    open: SmbOpen
    cancel_status: Status
    under_way: UnderWay | None

    def __init__(
        self,
        connection: SmbConnection,
        view: memoryview,
        chain: Chain | None,
        sealed: SmbSession | None,
        charge: int,
        channel_sequence: int,
        command: int,
        credits_requested: int,
        flags: int,
        message_id: int,
        process_id: int,
        tree_id: int,
        session_id: int,
    ) -> None:
        self.connection = connection
        self.view = view
        self.chain = chain
        self.sealed = sealed
        self.charge = charge
        self.sequence = channel_sequence & 0xFFFF
        self.command = command
        self.credits = credits_requested
        self.flags = flags
        self.message_id = message_id
        self.process_id = process_id
        self.tree_id = tree_id
        self.session_id = session_id
        self.channel: SmbChannel | None = None
        self.reply_signer: Signer | None = None
        self.granted = 0
        self.async_id = 0
        self.interim = False
        self.waits = False
        self.outlives = False
        self.status = SUCCESS
        self.task: asyncio.Task[None] | None = None
        self.on_reply: Callable[[bytearray | memoryview], None] | None = None

    def use(self, open_: SmbOpen) -> None:
        """Work on `open_`.  Raises FILE_NOT_AVAILABLE where the request comes too late, or too early again."""
        self.open = open_
        if self.sequence != open_.channel_sequence or self.flags & FLAG_REPLAY:
            sequence.verify(self, open_)
        if open_.record is not None:
            open_.record.replay_eligible = False

    @property
    def server(self) -> SmbServer:
        """The server that this request came to."""
        return self.connection.server

    @property
    def clock(self) -> Clock:
        """The server's clock."""
        return self.connection.server.clock

    @property
    def dialect(self) -> int:
        """The dialect of the connection."""
        return self.connection.dialect

    @property
    def related(self) -> bool:
        """Whether the request takes its ids from the one before it in the compound."""
        return bool(self.flags & FLAG_RELATED)

    @property
    def signed(self) -> bool:
        """Whether the client signed the request."""
        return bool(self.flags & FLAG_SIGNED)

    @property
    def replay(self) -> bool:
        """Whether the client says it sent this before."""
        return bool(self.flags & FLAG_REPLAY)

    async def suspend(self, awaitable: Awaitable[T]) -> T:
        """Await what may take long: the client gets an interim response, and CANCEL ends the wait  [MS-SMB2
        3.3.4.2].
        """
        self.waits = True
        if self.task is not None and not self.interim:
            self.connection.note_wait(self)
        try:
            return await awaitable
        finally:
            self.waits = False

    def check_charge(self, payload: int, response: int) -> None:
        """Raise INVALID_PARAMETER unless the credit charge covers the sizes  [MS-SMB2 3.3.5.2.5]."""
        if payload <= _ONE_CREDIT and response <= _ONE_CREDIT:
            return
        if self.connection.supports_multi_credit and max(payload, response) > max(self.charge, 1) * _ONE_CREDIT:
            needed = credit_charge(payload, response)
            raise NtError(Status.INVALID_PARAMETER, f"credit charge {self.charge}, {needed} needed")
