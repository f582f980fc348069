"""Oplock and lease breaks on the wire  [MS-SMB2 3.3.4.6, 3.3.4.7].

The file-system layer decides that a holder must give up caching and waits for it; here the holder is told.
Notifications carry no session and no signature; the client answers with OPLOCK_BREAK (commands/oplock_break.py), or
the layer's time-out ends the wait. A notification that has no channel to leave by is answered at once, so that the
opener does not wait in vain.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from smbcore.fsa.api import BreakNotice, Caching, OplockLevel
from smbcore.nt.status import NtError, Status
from smbcore.proto.framing import frame_header
from smbcore.wire.create import OPLOCK_LEVEL_II, OPLOCK_NONE
from smbcore.wire.header import HEADER_SIZE, OPLOCK_BREAK, UNSOLICITED_MESSAGE_ID, pack_response_into
from smbcore.wire.oplock_break import FLAG_ACK_REQUIRED, LeaseBreakNotification, OplockBreakNotification

if TYPE_CHECKING:
    from smbcore.server.disconnected import DisconnectedOpen
    from smbcore.server.lease import SmbLease
    from smbcore.server.open import SmbOpen
    from smbcore.server.session import SmbSession

log = logging.getLogger(__name__)


class _Encodable(Protocol):
    def encode(self) -> bytes:
        """Return the body."""


def send_oplock_break(open_: SmbOpen, notice: BreakNotice) -> None:
    """Tell the holder of a legacy oplock its new level."""
    level = OPLOCK_LEVEL_II if notice.new_level is OplockLevel.LEVEL_TWO else OPLOCK_NONE
    if not _send(open_.session, OplockBreakNotification(level, open_.file_id)) and notice.acknowledge:
        _give_up(open_, notice)
    server = open_.session.server
    server.open_changed(open_)
    if notice.acknowledge:
        server.clock.call_later(server.config.break_timeout, server.open_changed, open_)


def send_lease_break(lease: SmbLease, notice: BreakNotice) -> None:
    """Tell the client of a lease what it may still cache; disconnected opens that cannot stay without it close."""
    message = LeaseBreakNotification(
        new_epoch=lease.epoch if lease.version > 1 else 0,
        flags=FLAG_ACK_REQUIRED if notice.acknowledge else 0,
        lease_key=lease.key,
        current_lease_state=int(notice.old_caching),
        new_lease_state=int(notice.new_caching),
    )
    present, away = lease.present(), lease.away()
    reached = any(_send(open_.session, message) for open_ in present)
    if not reached or not notice.new_caching & Caching.HANDLE:
        for disconnected in away:
            disconnected.lease_broken()
    if not reached and notice.acknowledge and not any(open_.record.persistent for open_ in away):
        lease.server.clock.call_later(0, _acknowledge_for_lease, lease, notice)
    lease.changed()
    if notice.acknowledge:
        lease.server.clock.call_later(lease.server.config.break_timeout, _time_is_up, lease)


def _time_is_up(lease: SmbLease) -> None:
    """A client that did not answer has lost its lease by now: the records say so."""
    if lease.opens and not lease.breaking:
        lease.changed()


def _acknowledge_for_lease(lease: SmbLease, notice: BreakNotice) -> None:
    for open_ in lease.opens:
        _acknowledge_for(open_, notice)
        return


def _send(session: SmbSession, body: _Encodable) -> bool:
    """Send an unsolicited message on a channel of `session`; False if it has none that works."""
    encoded = body.encode()
    for connection, channel in session.channels.items():
        if connection.closed or channel.binding:
            continue
        message = bytearray(HEADER_SIZE + len(encoded))
        message[HEADER_SIZE:] = encoded
        pack_response_into(
            message, 0, credit_charge=0, status=Status.SUCCESS, command=OPLOCK_BREAK, credits=0, flags=0,
            next_command=0,
            message_id=UNSOLICITED_MESSAGE_ID, tail64=0, session_id=0,
        )  # fmt: skip
        if session.sealer is not None and session.encryption_required:
            message = session.sealer.seal((message,))
        connection.transport.write((frame_header(len(message)), message))
        return True
    return False


def _give_up(open_: SmbOpen, notice: BreakNotice) -> None:
    """Acknowledge in the place of a client that cannot be reached; not from within the break itself."""
    open_.session.server.clock.call_later(0, _acknowledge_for, open_, notice)


def _acknowledge_for(open_: SmbOpen | DisconnectedOpen, notice: BreakNotice) -> None:
    if open_.closed:
        return
    try:
        open_.file.acknowledge_break(notice.new_level, notice.new_caching)
    except NtError as error:
        log.debug("break of an unreachable holder: %s", error)
