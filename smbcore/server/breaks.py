"""Oplock and lease breaks on the wire  [MS-SMB2 3.3.4.6, 3.3.4.7].

The file-system layer decides that a holder must give up caching and waits for it; here the holder is told.
Notifications carry no session and no signature; the client answers with OPLOCK_BREAK (commands/oplock_break.py), or
the layer's time-out ends the wait. A notification that has no channel to leave by is answered at once, so that the
opener does not wait in vain.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from smbcore.fsa.api import BreakNotice, Caching, OplockLevel
from smbcore.nt.status import NtError
from smbcore.server.delivery import Delivery
from smbcore.wire.create import OPLOCK_LEVEL_II, OPLOCK_NONE
from smbcore.wire.header import OPLOCK_BREAK
from smbcore.wire.oplock_break import FLAG_ACK_REQUIRED, LeaseBreakNotification, OplockBreakNotification

if TYPE_CHECKING:
    from smbcore.server.disconnected import DisconnectedOpen
    from smbcore.server.lease import SmbLease
    from smbcore.server.open import SmbOpen

log = logging.getLogger(__name__)


def send_oplock_break(open_: SmbOpen, notice: BreakNotice) -> None:
    """Tell the holder of a legacy oplock its new level."""
    level = OPLOCK_LEVEL_II if notice.new_level is OplockLevel.LEVEL_TWO else OPLOCK_NONE
    message = OplockBreakNotification(level, open_.file_id)
    awaited = partial(_is_awaited, open_) if notice.acknowledge else None
    if not Delivery([open_.session], OPLOCK_BREAK, message, awaited).send() and notice.acknowledge:
        _give_up(open_, notice)
    open_.session.server.open_changed(open_)


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
    awaited = partial(_is_lease_awaited, lease) if notice.acknowledge else None
    reached = bool(present) and Delivery(lease.sessions(), OPLOCK_BREAK, message, awaited).send()
    if not reached or not notice.new_caching & Caching.HANDLE:
        for disconnected in away:
            disconnected.lease_broken()
    writes_back = notice.old_caching & Caching.WRITE and any(open_.record.persistent for open_ in away)
    if not reached and notice.acknowledge and not writes_back:
        lease.server.clock.call_later(0, _acknowledge_for_lease, lease, notice)
    lease.changed()


def _is_awaited(open_: SmbOpen) -> bool:
    holder = open_.file.holder
    return not open_.closed and holder is not None and bool(holder.breaking)


def _is_lease_awaited(lease: SmbLease) -> bool:
    return bool(lease.opens) and lease.breaking


def _acknowledge_for_lease(lease: SmbLease, notice: BreakNotice) -> None:
    for open_ in lease.opens:
        _acknowledge_for(open_, notice)
        return


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
