"""Commands of the management service, carried out in the core (smbcore.control)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from smbcore.control.errors import CommandFailed
from smbcore.control.messages import (
    BreakLease,
    CloseOpen,
    Counters,
    DisconnectSession,
    DisconnectTcon,
    DisconnectUser,
    Done,
    ListCounters,
    ListUnanswered,
    ListWaiting,
    Message,
    Ping,
    Pong,
    QueryUsage,
    ReloadConfiguration,
    Unanswered,
    Usage,
    Waiting,
)
from smbcore.fsa.api import Caching
from smbcore.nt.status import NtError
from smbcore.server import configure
from smbcore.server.open_row import caching_of
from smbcore.server.taking_back import Answer, take_back, waiting_users

if TYPE_CHECKING:
    from smbcore.server.server import SmbServer
    from smbcore.server.session import SmbSession
    from smbcore.state.configuration import Configuration

log = logging.getLogger(__name__)

_KEEPABLE = ("", "R", "RH")


class Management:
    """Carry out commands. Owned by the core's main task.

    load  reads the stored configuration (in a thread)
    pong  the answer to a sign of life
    """

    def __init__(self, server: SmbServer, load: Callable[[], Awaitable[Configuration]], pong: Pong) -> None:
        self._server = server
        self._load = load
        self._pong = pong
        self._reloading = asyncio.Lock()
        self._handlers: dict[type[Any], Callable[[Any], Awaitable[Message]]] = {
            Ping: self._ping,
            ReloadConfiguration: self._reload,
            DisconnectSession: self._disconnect_session,
            DisconnectTcon: self._disconnect_tcon,
            DisconnectUser: self._disconnect_user,
            CloseOpen: self._close_open,
            BreakLease: self._break_lease,
            ListWaiting: self._list_waiting,
            ListUnanswered: self._list_unanswered,
            ListCounters: self._counters,
            QueryUsage: self._usage,
        }

    async def handle(self, message: Message) -> Message:
        """Carry out one command and return its reply.  Raises CommandFailed: unknown, not_found."""
        handler = self._handlers.get(type(message))
        if handler is None:
            raise CommandFailed("unknown", f"The core does not know the command {type(message).__name__}.")
        return await handler(message)

    async def _ping(self, _message: Ping) -> Message:
        return self._pong

    async def reload(self) -> Configuration:
        """Install the stored configuration, and return it.  Raises what loading it raises."""
        async with self._reloading:  # or one that was read earlier could be installed later, and undo a change
            configuration = await self._load()
            apply(self._server, configuration)
        return configuration

    async def _reload(self, _message: ReloadConfiguration) -> Message:
        configuration = await self.reload()
        return Done(count=len(configuration.shares))

    async def _disconnect_session(self, message: DisconnectSession) -> Message:
        session = self._server.sessions_by_key.get(message.session_key)
        if session is None:
            raise CommandFailed("not_found", "This session has ended already.")
        opens = len(session.opens)
        log.info("session %#x of %s ended by the administrator: %s", session.key, session.user, message.reason)
        end_session(session)
        return Done(count=opens)

    async def _disconnect_tcon(self, message: DisconnectTcon) -> Message:
        tree = self._server.trees.get(message.tcon_key)
        if tree is None:
            raise CommandFailed("not_found", "This tree connect has ended already.")
        opens = len(tree.opens)
        tree.close()
        return Done(count=opens)

    async def _disconnect_user(self, message: DisconnectUser) -> Message:
        wanted = message.name.casefold()
        sessions = [s for s in self._server.sessions.values() if s.valid and s.user.casefold() == wanted]
        for session in sessions:
            end_session(session)
        return Done(count=len(sessions))

    async def _close_open(self, message: CloseOpen) -> Message:
        open_ = self._server.opens.get(message.open_key)
        away = self._server.disconnected.find_key(message.open_key)
        if away is not None:
            log.info("disconnected open %#x closed by the administrator: %s", away.key, message.reason)
            await away.close_now()
            return Done(count=1)
        if open_ is None:
            raise CommandFailed("not_found", "This file has been closed already.")
        answer = await take_back(open_, Caching.NONE, message.polite_wait) if message.polite_wait else None
        log.info("open %#x of %s closed by the administrator: %s", open_.key, open_.session.user, message.reason)
        if open_.closed:  # while we waited; its client may just be away, which does not end it
            return await self._close_left(message, answer)
        await open_.close(asked=False)
        return Done(answer.value if answer else "", 1)

    async def _close_left(self, message: CloseOpen, answer: Answer | None) -> Message:
        """Close what an open has become while its client was asked to write back."""
        away = self._server.disconnected.find_key(message.open_key)
        if away is not None:
            await away.close_now()
        elif (reclaimed := self._server.opens.get(message.open_key)) is not None:
            await reclaimed.close(asked=False)
        else:
            return Done("The client has closed it by itself.", 1)
        return Done(answer.value if answer else "", 1)

    async def _break_lease(self, message: BreakLease) -> Message:
        if message.keep not in _KEEPABLE:
            raise CommandFailed("invalid", 'A lease can be broken to "", "R" or "RH".')
        try:
            names = bytes.fromhex(message.client_guid), bytes.fromhex(message.lease_key)
        except ValueError as error:
            raise CommandFailed("invalid", "A lease is named by hexadecimal digits.") from error
        lease = self._server.leases.find(*names)
        if lease is None or not lease.opens:
            raise CommandFailed("not_found", "This lease has been given back already.")
        log.info("lease %s broken by the administrator: %s", message.lease_key, message.reason)
        answer = await take_back(next(iter(lease.opens)), caching_of(message.keep), message.wait)
        return Done(answer.value, int(answer is not Answer.NO_ANSWER))

    async def _list_waiting(self, _message: ListWaiting) -> Message:
        return Waiting(waiting_users(self._server))

    async def _usage(self, message: QueryUsage) -> Message:
        share = self._server.shares.find(message.share)
        if share is None or share.is_pipe:
            raise CommandFailed("not_found", "There is no such share, or it is disabled.")
        try:
            volume = share.volume()
            facts = volume.volume_info()
        except NtError as error:
            raise CommandFailed("unusable", f"The folder of the share cannot be used: {error.why}") from error
        counted = volume.space
        if counted is None:
            return Usage(facts.total, facts.free, facts.available, "off", 0, {})
        state = "counted" if counted.counted else "counting"
        owners = {str(owner): size for owner, size in counted.by_owner.items()}
        return Usage(facts.total, facts.free, facts.available, state, counted.used, owners)

    async def _list_unanswered(self, _message: ListUnanswered) -> Message:
        server = self._server
        sessions = list(server.sessions_by_key.values()) if server.conduct else []
        figures = {str(session.key): server.conduct.figures(session) for session in sessions if session.valid}
        return Unanswered(
            {key: count for key, (count, _) in figures.items() if count},
            [key for key, (_, withheld) in figures.items() if withheld],
        )

    async def _counters(self, _message: ListCounters) -> Message:
        server = self._server
        return Counters(
            {
                **server.counters,
                "connections": len(server.connections),
                "sessions": sum(session.valid for session in server.sessions.values()),
                "tcons": len(server.trees),
                "opens": len(server.opens),
                "opens_disconnected": len(server.disconnected),
                "caching_withheld": server.conduct.withheld(),
            }
        )


def end_session(session: SmbSession) -> None:
    """End a session for good, and the connections that have no other; clients that listen are told."""
    session.end(for_good=True)


def apply(server: SmbServer, configuration: Configuration) -> None:
    """Install a configuration: new shares at once, gone ones with all their tree connects, the rest undisturbed."""
    settings = configuration.settings
    server.accounts.load(configuration)
    server.config = configure.server_config(settings, test_controls=server.config.test_controls)
    server.authenticator = configure.authenticator(settings, server.accounts, server.clock)
    gone = server.shares.load(configure.all_shares(configuration, server.accounts))
    for share in gone:
        for tree in [tree for tree in server.trees.values() if tree.share is share]:
            tree.close()
        server.disconnected.close_share(share)
        server.background(share.close())
    for tree in server.trees.values():
        tree.encryption_required = tree.share.encryption_required
        tree.maximal_access = tree.share.maximal_access(tree.session.token)
