"""From a message to a reply: the table of commands, the checks its rows promise, and the one place where errors
become status.

Handlers are coroutines that are driven eagerly: one that does not wait costs no task. One that waits becomes a task
of its connection; if it waits inside `SmbRequest.suspend` the client is told so after a short delay, and CANCEL ends
it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from smbcore.nt.errors import WireError
from smbcore.nt.status import NtError, Status
from smbcore.proto.errors import ProtocolViolation
from smbcore.server import reply, under_way
from smbcore.server.binding import no_channel
from smbcore.server.request import SmbRequest
from smbcore.wire.error import EMPTY_ERROR, ErrorResponse
from smbcore.wire.header import (
    CANCEL,
    FLAG_ASYNC,
    FLAG_RELATED,
    FLAG_RESPONSE,
    FLAG_SIGNED,
    NEGOTIATE,
    RELATED_SESSION_ID,
    TREE_CONNECT,
    Opcode,
    unpack,
)
from smbcore.wire.negotiate import Dialect
from smbcore.wire.reader import BodyReader

if TYPE_CHECKING:
    from smbcore.server.chain import Chain
    from smbcore.server.connection import SmbConnection
    from smbcore.server.session import SmbSession

log = logging.getLogger(__name__)

NOTHING: Final = 0
SESSION: Final = 1
TREE: Final = 2
OPEN: Final = 3
_AT_A_TIME: Final = 16
_NOT_NEGOTIATED: Final = (0, int(Dialect.WILDCARD))

Handler = Callable[[SmbRequest, Any], Coroutine[Any, Any, Any]]


@dataclass(slots=True, frozen=True)
class Command:
    """One row of the table.

    decode        of the request class
    handler       coroutine function (request, message) -> something with encode(), bytes, or a Payload
    needs         NOTHING, SESSION, TREE or OPEN: what is looked up and checked before the handler runs
    when_expired  may run on a session whose ticket has expired  [MS-SMB2 3.3.5.2.9]
    """

    opcode: Opcode
    decode: Callable[[BodyReader], Any]
    handler: Handler
    needs: int
    when_expired: bool = False


def begin(connection: SmbConnection, view: memoryview, chain: Chain | None, sealed: SmbSession | None) -> None:
    """Start the request in `view`: account for its message id, check it, run it as far as it goes without waiting.

    Raises ProtocolViolation where the specification drops the connection, WireError if there is no header.
    """
    charge, status, command, credits_, flags, _, message_id, low, high, session_id, _ = unpack(view)
    if flags & FLAG_RESPONSE:
        raise ProtocolViolation("a client sent a response")
    if sealed is not None and session_id != sealed.wire_id and not _takes_session(chain, flags, session_id):
        raise ProtocolViolation(f"sealed for session {sealed.wire_id:#x}, but asks for {session_id:#x}")
    if command == CANCEL:
        _cancel(connection, view, flags, message_id, low | high << 32, session_id, sealed)
        return
    if connection.dialect in _NOT_NEGOTIATED and command != NEGOTIATE:
        raise ProtocolViolation(f"command {command} before NEGOTIATE")
    if not connection.supports_multi_credit:
        charge = 1 if charge else 0
    if not connection.window.consume(message_id, charge or 1):
        raise ProtocolViolation(f"message id {message_id} (charge {charge}) is outside of the window")
    rq = SmbRequest(
        connection, view, chain, sealed, charge, status, command, credits_, flags, message_id, low, high, session_id
    )
    rq.granted = connection.window.grant(credits_)
    try:
        row = connection.commands[command] if command < len(connection.commands) else None
        if row is None:  # the specification drops the connection (3.3.5.2.6); smb2.compound.invalid4 wants an answer
            raise NtError(Status.INVALID_PARAMETER, f"unknown command {command}")
        coroutine = row.handler(rq, _prepare(rq, row))
    except (NtError, WireError) as error:
        _fail(rq, error)
        return
    except ProtocolViolation:
        raise
    except Exception as error:  # our own bug: the client hears INTERNAL_ERROR, the connection lives
        _bug(rq, error)
        return
    _run(rq, coroutine)


def _takes_session(chain: Chain | None, flags: int, session_id: int) -> bool:
    """Tell whether a member of a compound has its session from the one before, or would if it said that it relates to
    it: that one hears of a session that is not there, because smb2.compound.invalid2 sealed wants an answer.
    """
    return chain is not None and chain.index > 1 and (bool(flags & FLAG_RELATED) or session_id == RELATED_SESSION_ID)


def advance(chain: Chain) -> None:
    """Work on the members of `chain` until one waits; send the replies when all have answered."""
    connection = chain.connection
    pause = chain.index + _AT_A_TIME
    while not chain.at_end:
        if chain.index == pause:
            _let_others(chain)
            return
        view = chain.members[chain.index]
        chain.index += 1
        begin(connection, view, chain, chain.sealed)
        if chain.busy:
            return
    reply.send_chain(connection, chain)


def _let_others(chain: Chain) -> None:
    """In a long compound other connections get their turn; this one gets nothing more to do until its next one."""
    chain.busy = True
    chain.connection.transport.hold()
    chain.connection.transport.detach_buffer()
    if chain.sealed is not None and chain.sealed.unsealer is not None:
        chain.sealed.unsealer.detach()
    asyncio.get_running_loop().call_soon(_go_on, chain)


def _go_on(chain: Chain) -> None:
    chain.busy = False
    chain.connection.resume(chain)
    chain.connection.transport.release()


def _prepare(rq: SmbRequest, row: Command) -> Any:
    """Look up and check what `row` promises, decode the message and return it."""
    chain = rq.chain
    if chain is not None:
        chain.adopt(rq)
    elif rq.flags & FLAG_RELATED:
        raise NtError(Status.INVALID_PARAMETER, "related request outside of a compound")
    needs = row.needs
    if needs:
        _find_session(rq, row)
        if needs >= TREE:
            _find_tree(rq)
    elif rq.session_id:
        _check_named_session(rq)
    message = row.decode(BodyReader(rq.view))
    if needs == OPEN:
        file_id = message.file_id
        if chain is not None:
            if rq.flags & FLAG_RELATED:
                file_id = chain.related_file_id()
            chain.file_id = file_id
        open_ = rq.session.opens.get(file_id)
        if open_ is None or open_.tree is not rq.tree:
            raise NtError(Status.FILE_CLOSED, "no such open")
        rq.use(open_)
    return message


def _check_named_session(rq: SmbRequest) -> None:
    """Check a request that can do without a session, but names one."""
    if rq.chain is not None:
        rq.chain.found_session(rq, names_tree=False)
    if rq.sealed is None:
        rq.connection.verify_if_known(rq)


def _find_session(rq: SmbRequest, row: Command) -> None:
    """Find the session and check its state, signature and encryption  [MS-SMB2 3.3.5.2.4, 3.3.5.2.9]."""
    channel = rq.connection.channels.get(rq.session_id)
    if channel is None:
        raise no_channel(rq)
    session = rq.session = channel.session
    rq.channel = channel
    if not rq.sealed:
        if rq.flags & FLAG_SIGNED:
            if channel.signer is None:
                rq.flags &= ~FLAG_SIGNED
            elif not channel.signer.verify(rq.view, from_server=False):
                raise NtError(Status.ACCESS_DENIED, "bad signature")
        elif session.signing_required:
            raise NtError(Status.ACCESS_DENIED, "not signed")
        if session.encryption_required:
            raise NtError(Status.ACCESS_DENIED, "not encrypted")
    if not session.valid:
        session.check_usable(when_expired=row.when_expired)
    if rq.chain is not None:
        rq.chain.found_session(rq, names_tree=row.needs >= TREE or rq.command == TREE_CONNECT)


def _find_tree(rq: SmbRequest) -> None:
    if rq.chain is not None:
        rq.chain.check_tree(rq)
    tree = rq.session.trees.get(rq.tree_id)
    if tree is None:
        raise NtError(Status.NETWORK_NAME_DELETED, f"no tree connect {rq.tree_id}")
    if tree.encryption_required and not rq.sealed:
        raise NtError(Status.ACCESS_DENIED, "the share wants encryption")
    rq.tree = tree
    if rq.chain is not None:
        rq.chain.tree_id = rq.tree_id


def _run(rq: SmbRequest, coroutine: Coroutine[Any, Any, Any]) -> None:
    try:
        waiting_for = coroutine.send(None)
    except StopIteration as stop:
        _succeed(rq, stop.value)
    except (NtError, WireError) as error:
        _fail(rq, error)
    except ProtocolViolation:
        raise
    except Exception as error:  # as above
        _bug(rq, error)
    else:
        if rq.chain is not None:
            rq.chain.busy = True
        rq.connection.spawn(rq, _finish(rq, _Rest(coroutine, waiting_for)))


class _Rest(Awaitable[Any]):
    """The part of a started coroutine that is still to run, as something that a task can await."""

    __slots__ = ("_coroutine", "_waiting_for")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waiting_for: Any) -> None:
        self._coroutine = coroutine
        self._waiting_for = waiting_for

    def __await__(self) -> Generator[Any, Any, Any]:
        waiting_for = self._waiting_for
        coroutine = self._coroutine
        while True:
            try:
                sent = yield waiting_for
            except BaseException as error:
                thrown: BaseException | None = error
            else:
                thrown = None
            try:
                waiting_for = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
            except StopIteration as stop:
                return stop.value


async def _finish(rq: SmbRequest, rest: _Rest) -> None:
    """Await the rest of a handler and reply; runs as a task of the connection."""
    try:
        await _answer(rq, rest)
    except ProtocolViolation as error:
        rq.connection.drop(error)
    finally:
        under_way.end(rq)
        if rq.outlives:
            rq.session.orphans.discard(rq)


async def _answer(rq: SmbRequest, rest: _Rest) -> None:
    """Await the rest of a handler and reply.  Raises ProtocolViolation from either."""
    try:
        answer = await rest
    except asyncio.CancelledError:
        if rq.connection.closed:
            raise
        _fail(rq, NtError(rq.cancel_status, "the wait was ended"))
    except (NtError, WireError) as error:
        _fail(rq, error)
    except ProtocolViolation:
        raise
    except Exception as error:  # as above
        _bug(rq, error)
    else:
        _succeed(rq, answer)


def _succeed(rq: SmbRequest, answer: Any) -> None:
    if log.isEnabledFor(logging.DEBUG):
        log.debug("%s %s -> %s", rq.connection.name, Opcode(rq.command).name, rq.status.name)
    _done(rq, rq.status, answer)


def _fail(rq: SmbRequest, error: NtError | WireError) -> None:
    """Reply with the status of `error`; partial data travels in an ordinary body made by the handler, not here."""
    if isinstance(error, WireError):
        error = NtError(Status.INVALID_PARAMETER, str(error))
    if log.isEnabledFor(logging.DEBUG):
        log.debug("%s command %s -> %s", rq.connection.name, rq.command, error)
    if rq.chain is not None:
        rq.chain.failed(rq, error.status)
    body = EMPTY_ERROR if not error.data else ErrorResponse.for_dialect(rq.connection.dialect, error.data).encode()
    _done(rq, error.status, body)


def _bug(rq: SmbRequest, error: Exception) -> None:
    log.error("%s command %s failed", rq.connection.name, rq.command, exc_info=error)
    if rq.chain is not None:
        rq.chain.failed(rq, Status.INTERNAL_ERROR)
    _done(rq, Status.INTERNAL_ERROR, EMPTY_ERROR)


def _done(rq: SmbRequest, status: Status, answer: Any) -> None:
    """Hand over the reply; go on with the chain if this request held it."""
    if rq.task is not None:
        under_way.end(rq)
    chain = rq.chain
    reply.send(rq, status, answer)
    if rq.task is not None:
        rq.connection.retire(rq)
        if chain is not None and chain.busy and rq.chain is chain:
            chain.busy = False
            rq.connection.resume(chain)


def _cancel(
    connection: SmbConnection,
    view: memoryview,
    flags: int,
    message_id: int,
    async_id: int,
    session_id: int,
    sealed: SmbSession | None,
) -> None:
    """End the request that CANCEL names, if it still waits; CANCEL itself is never answered  [MS-SMB2 3.3.5.16].

    It need not be signed; one that is signed wrongly is ignored.
    """
    if flags & FLAG_SIGNED and sealed is None:
        channel = connection.channels.get(session_id)
        if channel is None or (channel.signer is not None and not channel.signer.verify(view, from_server=False)):
            return
    rq = connection.find_async(async_id) if flags & FLAG_ASYNC else connection.find_pending(message_id)
    if rq is not None and rq.waits:
        connection.cancel(rq)
