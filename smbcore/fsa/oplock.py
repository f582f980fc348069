"""Oplocks and leases of one stream in one state machine  [MS-FSA 2.1.4.12, 2.1.5.18, 2.1.5.19].

Theory of operation. A holder is whoever was promised that it may cache: one open (legacy oplock) or all opens of one
key (granular, a lease). What it may cache is three bits, and the legacy levels are names for sets of them: level II is
R, exclusive RW, batch RWH. An operation that would make a cache stale takes bits away ("breaks"):

  open              W of others, so that they write back; all bits if the open overwrites the file
  open, in conflict H of others, so that they close handles they keep open for nobody; only then SHARING_VIOLATION
  write, lock, size everything of others: what was read before is not true any more
  rename, delete    H of others; a batch oplock altogether

A legacy holder only knows the way to level II and to none, so it loses W and H together. Taking R from a holder that
has nothing else is done when the notice is sent. Taking W or H needs the holder's answer: it is `breaking` until it
acknowledges, releases (closes), or the time runs out, which counts as an answer that it keeps nothing. While it breaks,
`requested` is what the notice said and `required` what meanwhile is needed; if the answer leaves more than
`required`, the next break follows, in steps as Windows does it: "RWH" to "RH" to "R" to "".

Holders of the same key never break each other, and an operation never breaks the lease it works under; a legacy level
II of the operation's own open is broken (its cache of the old bytes is shared by the whole client). A lease without any
bit left is still a holder: the opens under it keep others from caching writes.

A volume may keep a guard on a file while anybody caches it: it tells when a program outside of this server wants the
file, and makes it wait. Everything is taken from every holder then, for nothing would tell of a second program once the
first one has the file; the guard goes with the last bit.

A holder may have to be noted as broken somewhere before anybody acts on it: what its listener returns is awaited by
everybody whom the break makes way for (`settled`).

Who waits: an open whose break takes W (or H, in conflict), a rename and a deletion that take H. Everything else goes on
at once. A waiter waits until the breaks that were under way are over, and decides anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from smbcore.fsa.api import BreakListener, BreakNotice, Caching, OplockGrant, OplockLevel
from smbcore.nt.access import (
    FILE_APPEND_DATA,
    FILE_READ_ATTRIBUTES,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    READ_CONTROL,
    SYNCHRONIZE,
)
from smbcore.nt.clock import Clock, TimerHandle
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.backend import Guard, Node
    from smbcore.fsa.open import Open

READ = 1
HANDLE = 2
WRITE = 4
ALL = READ | HANDLE | WRITE

_WRITES = FILE_WRITE_DATA | FILE_APPEND_DATA
_STAT = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE
_STAT_OF_LEASE = _STAT | READ_CONTROL

_CACHING_OF = {
    OplockLevel.NONE: 0,
    OplockLevel.LEVEL_TWO: READ,
    OplockLevel.LEVEL_ONE: READ | WRITE,
    OplockLevel.BATCH: ALL,
}
_LEVEL_OF = {
    0: OplockLevel.NONE,
    READ: OplockLevel.LEVEL_TWO,
    READ | HANDLE: OplockLevel.LEVEL_TWO,
    READ | WRITE: OplockLevel.LEVEL_ONE,
    ALL: OplockLevel.BATCH,
}
CACHING = tuple(Caching(bits) for bits in range(ALL + 1))
"""The flags by their bits: looking them up costs a tenth of making them."""
_LEASE_STATES = frozenset({READ, READ | HANDLE, READ | WRITE, ALL})


def is_stat_access(access: int) -> bool:
    """Tell whether an open only looks at metadata, so that it breaks no oplock."""
    return not access & ~_STAT


def is_lease_stat_access(access: int) -> bool:
    """Tell whether an open breaks no lease; for those, reading the security descriptor is harmless too."""
    return not access & ~_STAT_OF_LEASE


class Holder:
    """Who may cache, and what.

    key       the open itself for a legacy oplock, the oplock key for a lease
    caching   bits held now (while breaking: those before the acknowledgement)
    relied_on somebody who does not wait for the break under way goes by it
    """

    __slots__ = (
        "breaking",
        "caching",
        "granular",
        "key",
        "listener",
        "opens",
        "oplocks",
        "relied_on",
        "requested",
        "required",
        "timer",
    )

    def __init__(self, oplocks: Oplocks, key: object, listener: BreakListener, caching: int, *, granular: bool) -> None:
        self.oplocks = oplocks
        self.key = key
        self.listener = listener
        self.caching = caching
        self.granular = granular
        self.opens: list[Open] = []
        self.breaking = False
        self.requested = 0
        self.required = 0
        self.relied_on = False
        self.timer: TimerHandle | None = None

    @property
    def level(self) -> OplockLevel:
        """The oplock level held now."""
        return OplockLevel.GRANULAR if self.granular else _LEVEL_OF[self.caching]

    @property
    def reserved(self) -> bool:
        """Whether the client is away and was promised to find everything as it was."""
        return bool(self.opens) and all(opener.reserved for opener in self.opens)

    def notify(self, new: int, *, acknowledge: bool, continues: bool = False) -> None:
        """Send the notice of a break from `caching` to `new`."""
        level = self.level
        notice = BreakNotice(
            self.listener,
            level,
            OplockLevel.GRANULAR if self.granular else _LEVEL_OF[new],
            Caching(self.caching),
            Caching(new),
            acknowledge,
            continues,
        )
        self.oplocks.hold(self.listener.oplock_broken(notice))


class Oplocks:
    """The holders of one stream, and the operations that wait for them.

    guard   keeps programs outside of this server from the file while anybody caches it, where the volume wants that
    wanted  one of them is waiting for the file
    """

    __slots__ = ("_clock", "_timeout", "_waiters", "guard", "holders", "settling", "wanted")

    def __init__(self, clock: Clock, timeout: float) -> None:
        self._clock = clock
        self._timeout = timeout
        self._waiters: dict[asyncio.Future[None], str] = {}
        self.settling: set[asyncio.Future[None]] = set()  # what is noted somewhere just now, see `hold`
        self.holders: list[Holder] = []
        self.guard: Guard | None = None
        self.wanted = False

    # -- granting --
    def request(
        self,
        opener: Open,
        level: OplockLevel,
        caching: int,
        listener: BreakListener,
        key: bytes | None,
        others: Sequence[Open],
        *,
        has_byte_ranges: bool,
        beside_writers: bool = True,
    ) -> OplockGrant:
        """Grant as much of the wish as the other opens of the stream allow  [MS-FSA 2.1.5.18].

        others          every open of the stream, `opener` may be among them
        beside_writers  level II is granted though one of them may write
        """
        granular = level == OplockLevel.GRANULAR
        wanted = caching & ALL if granular else _CACHING_OF[level]
        if granular and wanted not in _LEASE_STATES:
            wanted = 0
        granted = self._grantable(opener, wanted, key if granular else None, others, granular, has_byte_ranges)
        if granular and key is not None:
            return self._grant_lease(opener, wanted, granted, listener, key)
        new_level = _LEVEL_OF.get(granted, OplockLevel.NONE)
        writers = not beside_writers and any(other.granted_access & _WRITES for other in others)
        if writers and new_level == OplockLevel.LEVEL_TWO:
            new_level = OplockLevel.NONE
        if new_level != OplockLevel.NONE:
            holder = Holder(self, opener, listener, _CACHING_OF[new_level], granular=False)
            self._join(holder, opener)
            self.holders.append(holder)
        return OplockGrant(new_level, CACHING[_CACHING_OF[new_level]])

    def _grantable(
        self,
        opener: Open,
        wanted: int,
        key: bytes | None,
        others: Sequence[Open],
        granular: bool,
        has_byte_ranges: bool,
    ) -> int:
        """Return the bits of `wanted` that others leave possible."""
        granted = wanted
        if has_byte_ranges:
            granted &= ~READ
        other_oplock = other_handle = False
        for holder in self.holders:
            if key is not None and holder.key == key:
                continue
            if holder.caching & WRITE:
                return 0  # only opens that break nothing get here; [MS-FSA 2.1.5.18.1] refuses them
            granted &= ~WRITE
            other_oplock = other_oplock or not holder.granular
            other_handle = other_handle or (holder.granular and bool(holder.caching & HANDLE))
        if granted & WRITE:
            for other in others:
                if (
                    other is opener
                    or is_stat_access(other.granted_access)
                    or (key is not None and other.oplock_key == key)
                ):
                    continue
                granted &= ~WRITE
                break
        if granular and other_oplock:
            granted &= ~HANDLE
        if not granular and other_handle:
            return 0
        return granted if granted & READ else 0

    def _grant_lease(self, opener: Open, wanted: int, granted: int, listener: BreakListener, key: bytes) -> OplockGrant:
        """Join or make the lease of `key`; it only ever grows here, and only to just what was asked for.

        Another listener means that the lease of before is over, though its last open is still about to close: it will
        hear of no break any more, nor answer one.
        """
        holder = self.find(key)
        if holder is None:
            holder = Holder(self, key, listener, granted, granular=True)
            self.holders.append(holder)
        elif holder.listener is not listener:
            holder.listener = listener
            self._settle(holder, granted)
        elif not holder.breaking and granted == wanted and granted & holder.caching == holder.caching:
            holder.caching = granted
        self._join(holder, opener)
        return OplockGrant(OplockLevel.GRANULAR, CACHING[holder.caching], holder.breaking)

    @staticmethod
    def _join(holder: Holder, opener: Open) -> None:
        if opener.holder is not None and opener.holder is not holder:
            opener.holder.oplocks.release(opener)
        if opener not in holder.opens:
            holder.opens.append(opener)
        opener.holder = holder

    def find(self, key: object) -> Holder | None:
        """Return the holder of `key`."""
        for holder in self.holders:
            if holder.key == key:
                return holder
        return None

    # -- breaking --
    def break_for_open(self, key: bytes | None, access: int, *, overwrites: bool, in_conflict: bool) -> bool:
        """Take from the holders what an open must not leave them; return whether the open has to wait.

        in_conflict  the share modes collide
        """
        if is_stat_access(access) and not overwrites:
            return False
        taken = HANDLE if in_conflict else WRITE
        lost = taken | (READ | HANDLE if overwrites and not in_conflict else 0)
        exempt_leases = not overwrites and is_lease_stat_access(access)
        wait = False
        for holder in list(self.holders):
            if holder.granular and (exempt_leases or (key is not None and holder.key == key)):
                continue
            held = holder.caching
            if not held & lost:
                wait = wait or holder.breaking
                continue
            waits = bool(held & taken)
            self._break(holder, held & ~lost, waits=waits)
            wait = wait or waits
        return wait

    def break_all(self, opener: Open | None, key: bytes | None) -> None:
        """Take everything from every other holder: the bytes change under them. Never waits.

        A legacy level II of `opener` itself goes too.
        """
        for holder in list(self.holders):
            if holder.granular:
                if key is not None and holder.key == key:
                    continue
            elif holder.key is opener and holder.caching & WRITE:
                continue
            if holder.caching:
                self._break(holder, 0)

    async def break_all_first(self, opener: Open | None, key: bytes | None) -> None:
        """As `break_all`; on return nobody else caches anything, and that has been noted where it must be."""
        self.break_all(opener, key)
        while self.settling:
            await self.settled()
            self.break_all(opener, key)

    def break_handle_caching(self, key: bytes | None, opener: Open | None = None) -> bool:
        """Take H from every other holder, before a rename or deletion; return whether to wait.

        A legacy batch oplock, which cannot lose H alone, goes altogether: the name by which its client would open the
        file again is not the file's any more.
        """
        wait = False
        for holder in list(self.holders):
            if holder.key is opener or (holder.granular and key is not None and holder.key == key):
                continue
            if holder.reserved:
                continue  # `smbcore.fsa.reserved` holds back who wants it
            if holder.caching & HANDLE:
                self._break(holder, holder.caching & ~HANDLE if holder.granular else 0, waits=True)
                wait = True
            elif holder.breaking and holder.requested & HANDLE == 0:
                wait = True
        return wait

    def break_read_caching(self, key: bytes | None) -> None:
        """Take everything from holders of a directory whose content changed; `key` caused it."""
        for holder in list(self.holders):
            if holder.caching and not (key is not None and holder.key == key):
                self._break(holder, 0)

    def take_back(self, holder: Holder, keep: int) -> bool:
        """Take from one holder all but `keep`, though no operation needs it; return whether its answer is awaited.

        Whoever takes everything means it; other breaks may be called off.
        """
        self._break(holder, holder.caching & keep, waits=keep != 0)
        return holder.breaking

    def call_off(self, holder: Holder) -> bool:
        """Let a holder keep what a break would take, if nobody relies on that yet; return whether it does.

        Opens, renames and deletions wait for what they take. The caller sees to it that they do not get it, and wakes
        them.
        """
        if not holder.breaking or holder.relied_on:
            return False
        holder.breaking = False
        if holder.timer is not None:
            holder.timer.cancel()
            holder.timer = None
        return True

    # -- programs outside of this server --
    def guarded(self, node: Node) -> bool:
        """Tell whether what is granted now can be kept from being changed unnoticed; sees to it if that is possible."""
        if self.guard is None:
            self.guard = node.guard(self._want)
        return self.guard is not None and not self.wanted

    def _want(self, patience: float) -> None:
        """A program outside wants the file and waits, at most `patience` seconds: everybody stops caching."""
        self.wanted = True
        self._clock.call_later(patience, self._out_of_patience, self.guard)
        for holder in list(self.holders):
            self._break(holder, 0)
        self.relax()

    def _out_of_patience(self, guard: Guard) -> None:
        """The program has the file by now; who has not answered yet keeps nothing either."""
        if self.guard is guard:
            for holder in list(self.holders):
                self._settle(holder, 0)

    def relax(self) -> None:
        """Let programs outside have the file if nobody caches it any more."""
        if self.guard is not None and not any(holder.caching for holder in self.holders):
            guard, self.guard, self.wanted = self.guard, None, False
            guard.release()

    def _break(self, holder: Holder, to: int, *, waits: bool = False) -> None:
        """Bring `holder` down to `to`.

        waits  whoever wants that goes on when the break is over only
        """
        if not holder.granular:
            to &= READ
        if holder.breaking:
            holder.required &= to
            holder.relied_on = holder.relied_on or not waits
            return
        if not holder.caching & ~to:
            return
        holder.relied_on = not waits
        if holder.caching & (WRITE | HANDLE):
            self._start_break(holder, to, to)
            return
        holder.notify(to, acknowledge=False)
        self._settle(holder, to)

    def _start_break(self, holder: Holder, requested: int, required: int, *, continues: bool = False) -> None:
        holder.breaking = True
        holder.requested = requested
        holder.required = required
        if holder.timer is not None:
            holder.timer.cancel()
        holder.timer = self._clock.call_later(self._timeout, self._time_out, holder)
        holder.notify(requested, acknowledge=True, continues=continues)

    def _settle(self, holder: Holder, caching: int) -> None:
        """Finish a break: the holder now has `caching`."""
        holder.breaking = False
        holder.caching = caching
        if holder.timer is not None:
            holder.timer.cancel()
            holder.timer = None
        self.hold(holder.listener.caching_changed())
        if not caching and not holder.granular:
            self._drop(holder)
        self.wake()

    def _time_out(self, holder: Holder) -> None:
        """The holder did not answer: it keeps nothing  [MS-SMB2 3.3.5.22, 3.3.2.5]."""
        if holder.breaking:
            self._settle(holder, 0)
            holder.listener.break_timed_out()

    # -- answers --
    def acknowledge(self, holder: Holder, level: OplockLevel, caching: int) -> OplockGrant:
        """Take the answer to a break  [MS-FSA 2.1.5.19].

        Errors: UNSUCCESSFUL (lease), INVALID_OPLOCK_PROTOCOL (legacy) nothing is breaking;  REQUEST_NOT_ACCEPTED the
                lease answer keeps more than the notice allowed;  INVALID_OPLOCK_PROTOCOL the same of a legacy answer,
                and the oplock is lost.
        """
        if holder.granular:
            return self._acknowledge_lease(holder, caching)
        if not holder.breaking:
            raise NtError(Status.INVALID_OPLOCK_PROTOCOL, "no break to acknowledge")
        kept = READ if level == OplockLevel.LEVEL_TWO else 0
        if level not in (OplockLevel.NONE, OplockLevel.LEVEL_TWO) or kept & ~holder.requested:
            self._settle(holder, 0)
            raise NtError(Status.INVALID_OPLOCK_PROTOCOL, f"acknowledged with level {level!r}")
        required, waits = holder.required, not holder.relied_on
        self._settle(holder, kept)
        if kept & ~required:
            self._clock.call_later(0.0, partial(self._break, holder, required, waits=waits))
        return OplockGrant(_LEVEL_OF[kept], Caching(kept))

    def _acknowledge_lease(self, holder: Holder, caching: int) -> OplockGrant:
        if not holder.breaking:
            raise NtError(Status.UNSUCCESSFUL, "no lease break to acknowledge")
        if caching & ~holder.requested:
            raise NtError(Status.REQUEST_NOT_ACCEPTED, f"lease {caching:#x} kept, {holder.requested:#x} allowed")
        required = holder.required & caching
        if not caching & ~required:
            self._settle(holder, caching)
            return OplockGrant(OplockLevel.GRANULAR, Caching(caching))
        # Still breaking, so that waiters go on waiting; the next notice must follow the answer to this one.
        holder.caching = caching
        holder.requested = required
        self._clock.call_later(0.0, self._break_on, holder)
        return OplockGrant(OplockLevel.GRANULAR, Caching(caching), break_in_progress=True)

    def _break_on(self, holder: Holder) -> None:
        """Send the next step of a break that one answer did not complete."""
        if not holder.breaking or holder not in self.holders:
            return
        if holder.caching & (WRITE | HANDLE):
            step = holder.required | (holder.caching & READ)
            self._start_break(holder, step, holder.required, continues=True)
            return
        holder.notify(holder.required, acknowledge=False, continues=True)
        self._settle(holder, holder.required)

    def release(self, opener: Open) -> None:
        """Forget `opener` as a holder; the last open of a holder ends it and frees those who wait."""
        holder = opener.holder
        if holder is None:
            return
        opener.holder = None
        if opener in holder.opens:
            holder.opens.remove(opener)
        if not holder.opens:
            holder.breaking = False
            if holder.timer is not None:
                holder.timer.cancel()
                holder.timer = None
            self._drop(holder)
            self.wake()

    def _drop(self, holder: Holder) -> None:
        if holder in self.holders:
            self.holders.remove(holder)
        for opener in holder.opens:
            opener.holder = None
        holder.opens.clear()

    # -- waiting --
    @property
    def waiting(self) -> list[str]:
        """Who waits for breaks of this stream: the names that were given to `wait`, without those that gave none."""
        return [who for who in self._waiters.values() if who]

    async def wait(self, who: str = "") -> None:
        """Wait until every break that is under way now is over; the caller then decides anew.

        A break that goes on in steps is over with its last one, whatever else changes meanwhile.
        """
        pending = [holder for holder in self.holders if holder.breaking]
        while pending:
            await self._wait_for_change(who)
            pending = [holder for holder in pending if holder.breaking]
        await self.settled()

    def hold(self, until: asyncio.Future[None] | None) -> None:
        """Let what breaks make way for go on after `until` only."""
        if until is not None:
            self.settling.add(until)
            until.add_done_callback(self.settling.discard)

    async def settled(self) -> None:
        """Wait until all breaks so far have been noted where they must be."""
        while self.settling:
            await asyncio.wait(self.settling)

    async def wait_for(self, holder: Holder, seconds: float) -> bool:
        """Wait until the break of one holder is over, or `seconds` have passed; return whether it is over."""
        expired = seconds <= 0

        def expire() -> None:
            nonlocal expired
            expired = True
            self.wake()

        # The timer alone says that the time is over: a loop may ring it a moment early by the clock, and only once.
        timer = self._clock.call_later(seconds, expire)
        try:
            while holder.breaking and not expired:
                await self._wait_for_change("")
        finally:
            timer.cancel()
        return not holder.breaking

    async def _wait_for_change(self, who: str) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[future] = who
        try:
            await future
        finally:
            self._waiters.pop(future, None)

    def wake(self) -> None:
        """Let those who wait look again whether the breaks they wait for are over."""
        if self.guard is not None:
            self.relax()
        waiters, self._waiters = self._waiters, {}
        for future in waiters:
            if not future.done():
                future.set_result(None)
