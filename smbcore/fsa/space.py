"""Counting what the files of a volume take, and refusing what would be too much  [MS-FSA 2.1.5.4, 2.1.5.15].

What counts is the size of every data stream, in whole clusters, whether or not blocks are behind all of it: as on NTFS
a sparse or compressed file counts in full. So the outcome of a request is known before the disk is asked, it is the
same over every store, and nobody gets above a limit by filling holes later. Space that was reserved counts until the
last open of the stream closes; what was not used of it is given back then. Extended attributes, descriptors and
directories do not count. A file belongs to the owner in its security descriptor.

Every change is admitted before it is made: the bytes that it would add are taken at once, so that changes under way
can never exceed a limit together. A change that failed or shrinks is settled by looking at the file once nothing is
under way on its stream any more. What processes of the server itself do to the files shows at the next count, at
latest after `RECOUNT_INTERVAL`.

A count (`Backend.survey`) runs beside the changes. Files that are touched meanwhile may be seen in any state, so they
are left out of its result, and what we know of them ourselves is added: `_Count`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from smbcore.fsa.space_rules import NO_LIMIT, SpaceRules
from smbcore.nt.names import upcase
from smbcore.nt.sid import ADMINISTRATORS, Sid
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.backend import Node
    from smbcore.fsa.file_table import FileState
    from smbcore.fsa.open import Open
    from smbcore.fsa.volume import Volume
    from smbcore.nt.clock import TimerHandle

log = logging.getLogger(__name__)
T = TypeVar("T")

RECOUNT_INTERVAL: Final = 3600.0
"""Seconds between counts."""
_SOON: Final = 60.0
"""Seconds until the count that follows when we lost track of a file, or could not count."""
_COUNTING_SHARE: Final = 50
"""A volume that takes long to count is counted less often: at most this part of the time goes into it."""


class Charge:
    """What one open stream counts for.

    taken     bytes in whole clusters, at least what the stream is and will be by the changes under way
    reserved  bytes that a client reserved;  changing  changes under way;  unsure  look at the file after them
    trimming  set when what was reserved and not used has been given back; None while that is not under way
    """

    __slots__ = ("changing", "file_id", "owner", "reserved", "taken", "trimming", "unsure")

    def __init__(self, file_id: int, owner: Sid, taken: int) -> None:
        self.file_id = file_id
        self.owner = owner
        self.taken = taken
        self.reserved = 0
        self.changing = 0
        self.unsure = False
        self.trimming: asyncio.Event | None = None


class _Whole:
    """A change of a whole file under way.

    accounted  bytes that the file counts for: before the change, and with what came to it since
    """

    __slots__ = ("accounted", "file_id")

    def __init__(self, file_id: int, accounted: int) -> None:
        self.file_id = file_id
        self.accounted = accounted


class _Count:
    """What happens while files are counted.

    touched  file id -> owner and bytes of files that changed during the walk
    later    bytes by owner that came after it, None while it goes on
    """

    __slots__ = ("later", "touched")

    def __init__(self) -> None:
        self.touched: dict[int, tuple[Sid, int]] = {}
        self.later: Counter[Sid] | None = None


class Space:
    """What the files of one volume take. Owned by the volume; touched on the loop thread only.

    rules    what is allowed;  counted  the first count is over
    used     bytes of all files;  by_owner  the same by owner
    """

    def __init__(self, volume: Volume, rules: SpaceRules) -> None:
        self._volume = volume
        self.rules = rules
        self.counted = False
        self.used = 0
        self.by_owner: Counter[Sid] = Counter()
        self._cluster = volume.volume_info().cluster_size
        self._count: _Count | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: TimerHandle | None = None
        self._orphans: set[FileState] = set()
        self._whole: list[_Whole] = []
        self._closed = False

    # -- counting --
    async def ready(self) -> None:
        """Return once it is known what the files take, or nobody has to know any more; see `counting`.

        Errors: those of `Backend.survey`, if the first count failed; the next caller tries again;  FILE_CLOSED
        """
        if self.counted:
            return
        task = self.count()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        elif self._volume.space is self:
            raise NtError(Status.FILE_CLOSED, "the volume was closed while its files were counted")

    @property
    def _follows(self) -> bool:
        """Whether changes have to be noted, for what is known or for the count under way."""
        return self.counted or self._count is not None

    def count(self) -> asyncio.Task[None]:
        """Count the files anew, or join the count under way."""
        if self._task is None or self._task.done():
            if self._timer is not None:
                self._timer.cancel()
            self._task = asyncio.get_running_loop().create_task(self._run_count())
            self._task.add_done_callback(_log_failure)
        return self._task

    def begin(self) -> None:
        """Count without anybody waiting for it."""
        if not self._closed:
            self.count()

    def stop(self) -> None:
        """Count no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Count no more, and wait for the end of a count under way."""
        self.stop()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError, NtError):
                await self._task

    async def _run_count(self) -> None:
        clock = self._volume.clock
        begun = clock.monotonic()
        backend = self._volume.backend
        self._count = running = _Count()
        try:
            self._touch_unseen()
            survey = await backend.survey()
            running.later = Counter()
            for state in self._orphans:
                self._touch_orphan(state)
            owners = await backend.in_background(lambda: survey.totals(running.touched))
            self._install(owners, running)
        except NtError:
            self._again_in(_SOON)
            raise
        finally:
            self._count = None
        took = clock.monotonic() - begun
        log.debug("counted %d files in %.1f s: %d bytes", len(survey), took, self.used)
        self._again_in(max(RECOUNT_INTERVAL, took * _COUNTING_SHARE))

    def _again_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed:
            self._timer = self._volume.clock.call_later(seconds, self.begin)

    def _touch_unseen(self) -> None:
        """Note what a walk cannot see: changes under way, and reserved space."""
        for opened in self._volume.opens:
            charge = opened.stream_state.charge
            if charge is not None and (charge.changing or charge.reserved):
                self._touch(opened.node, charge)

    def _touch_orphan(self, state: FileState) -> None:
        """Note a file without a name that is still open: a walk cannot find it."""
        count = self._count
        charges = [stream.charge for stream in state.all_streams() if stream.charge is not None]
        if count is not None and charges and charges[0].file_id not in count.touched:
            count.touched[charges[0].file_id] = charges[0].owner, sum(charge.taken for charge in charges)

    def _install(self, surveyed: Mapping[bytes | None, int], running: _Count) -> None:
        owners: Counter[Sid] = Counter(running.later or {})
        default = self._owner_in(None)
        for raw, size in surveyed.items():
            owners[default if raw is None else Sid.decode(raw)] += size
        for owner, size in running.touched.values():
            owners[owner] += size
        self.by_owner = Counter({owner: size for owner, size in owners.items() if size > 0})
        self.used = max(0, sum(owners.values()))
        self.counted = True

    # -- taking and giving back --
    def _add(self, owner: Sid, file_id: int, size: int) -> None:
        """Count `size` bytes more (or, negative, fewer); the file was noted by `_touch` before."""
        self.used = max(0, self.used + size)
        self.by_owner[owner] += size
        if self.by_owner[owner] <= 0:
            del self.by_owner[owner]
        for whole in self._whole:
            if whole.file_id == file_id:
                whole.accounted += size
        count = self._count
        if count is None:
            return
        if count.later is not None:
            count.later[owner] += size
        else:
            _, before = count.touched[file_id]
            count.touched[file_id] = owner, before + size

    def _touch(self, node: Node, charge: Charge) -> None:
        """Note what a file takes before it changes, while files are counted."""
        count = self._count
        if count is not None and count.later is None and charge.file_id not in count.touched:
            count.touched[charge.file_id] = charge.owner, self._total(node)

    def _note(self, file_id: int, owner: Sid, total: int) -> None:
        """Note what a file took before it changed, unless that was noted at the time."""
        count = self._count
        if count is not None and count.later is None:
            count.touched.setdefault(file_id, (owner, total))

    def _check(self, owner: Sid, size: int) -> None:
        """Raise DISK_FULL unless `size` more bytes are allowed, for a file of `owner`."""
        limit = self.rules.size_limit
        if limit is not None and self.used + size > limit:
            raise NtError(Status.DISK_FULL, f"{size} bytes more than {self.used} of {limit} that the volume may hold")
        allowed = self.rules.owner_limit(owner)
        if allowed != NO_LIMIT and self.by_owner[owner] + size > allowed:
            raise NtError(Status.DISK_FULL, f"{size} bytes more than {self.by_owner[owner]} of {allowed} for {owner}")

    def _round(self, size: int) -> int:
        return -(-size // self._cluster) * self._cluster

    def _owner_in(self, descriptor: bytes | None) -> Sid:
        security = self._volume.security
        return security.parse(security.default if descriptor is None else descriptor).owner or ADMINISTRATORS

    def _total(self, node: Node) -> int:
        """Return what the whole file of `node` counts for now."""
        state = self._volume.table.find(node.key)
        if state in self._orphans:
            return sum(self._charges(state))
        total, known = 0, set()
        for stream in () if state is None else state.all_streams():
            if stream.charge is not None:
                known.add(stream.name)
                total += stream.charge.taken
        if "" not in known:
            total += self._round(node.main_size())
        return total + sum(self._round(s.end_of_file) for s in node.streams() if upcase(s.name) not in known)

    # -- changes of one stream --
    def charge_of(self, opened: Open) -> Charge:
        """Return what the stream of `opened` counts for; looks at the file the first time."""
        stream = opened.stream_state
        if stream.charge is None:
            node = opened.node
            info = node.info()
            stream.charge = Charge(info.file_id, self._owner_in(node.security()), self._round(info.end_of_file))
        return stream.charge

    def admit(self, opened: Open, size: int) -> Charge:
        """Take what a change needs after which the stream has (at most) `size` bytes; `done` must follow.

        Errors: DISK_FULL
        """
        charge = opened.stream_state.charge or self.charge_of(opened)
        needed = self._round(size)
        if needed > charge.taken:
            more = needed - charge.taken
            self._check(charge.owner, more)
            self._touch(opened.node, charge)
            charge.taken = needed
            self._add(charge.owner, charge.file_id, more)
        charge.changing += 1
        return charge

    def done(self, opened: Open, charge: Charge, *, unsure: bool) -> None:
        """Note that a change is over; `unsure` where the size may be another one than was admitted."""
        charge.changing -= 1
        charge.unsure |= unsure
        if not charge.unsure or charge.changing:
            return
        if opened.stream_state.charge is charge:
            self._settle(opened, charge)
        else:
            self._again_in(_SOON)

    def _settle(self, opened: Open, charge: Charge) -> None:
        """Take the size of the stream as it is."""
        try:
            size = opened.node.info().end_of_file
        except NtError as error:  # the change itself has been answered; what was taken stays taken until a count
            log.warning("%r is counted anew: %s", opened.path, error)
            self._again_in(_SOON)
            return
        charge.unsure = False
        taken = self._round(max(size, charge.reserved))
        if taken != charge.taken:
            self._touch(opened.node, charge)
            less, charge.taken = taken - charge.taken, taken
            self._add(charge.owner, charge.file_id, less)

    async def change(self, opened: Open, size: int, work: Callable[[], Awaitable[T]], *, shrinks: bool = False) -> T:
        """Do `work`, a change after which the stream has at most `size` bytes. The first count is over.

        shrinks  it may have fewer afterwards than before
        Errors: DISK_FULL  nothing was done
        """
        charge = opened.stream_state.charge
        if charge is not None and charge.trimming is not None:
            await charge.trimming.wait()
        charge = self.admit(opened, size)
        unsure = True
        try:
            result = await work()
            unsure = shrinks
            return result
        finally:
            self.done(opened, charge, unsure=unsure)

    async def write(self, opened: Open, offset: int, data: bytes | memoryview) -> int:
        """Write, if there is room. The first count is over.  Errors: DISK_FULL; those of the backend."""
        charge = opened.stream_state.charge
        if charge is not None and charge.trimming is not None:
            await charge.trimming.wait()
        charge = self.admit(opened, offset + len(data))
        unsure = True
        try:
            count = await opened.node.write(offset, data)
            unsure = False
            return count
        finally:
            self.done(opened, charge, unsure=unsure)

    async def reserve(self, opened: Open, size: int) -> None:
        """Reserve space. The first count is over.  Errors: DISK_FULL."""

        async def work() -> None:
            await opened.node.set_allocation(size)
            charge = opened.stream_state.charge
            if charge is not None:
                charge.reserved = max(charge.reserved, size)

        await self.change(opened, size, work)

    # -- changes of whole files --
    async def giving_back(self, node: Node, work: Callable[[], Awaitable[None]], *, removes: bool = False) -> None:
        """Do `work`, which makes the file of `node` smaller or removes it, and count what is left.

        removes  it removes a directory, which counts no links
        """
        if not self._follows:
            await work()
            return
        owner, whole = self._owner_in(node.security()), _Whole(node.info().file_id, self._total(node))
        self._note(whole.file_id, owner, whole.accounted)
        self._whole.append(whole)
        done = False
        try:
            await work()
            done = True
        finally:
            self._whole.remove(whole)
            self._recompute(node, owner, whole, gone=done and removes)

    def _recompute(self, node: Node, owner: Sid, whole: _Whole, *, gone: bool) -> None:
        """Count what is left of a file."""
        state = self._volume.table.find(node.key)
        try:
            gone = gone or not node.info().number_of_links
            self._forget_closed(node, state, gone=gone)
            after = sum(self._charges(state)) if gone else self._total(node)
        except NtError as error:
            log.warning("%r is counted anew: %s", "/".join(node.path), error)
            self._again_in(_SOON)
            return
        if gone and state is not None and any(stream.charge is not None for stream in state.all_streams()):
            self._orphans.add(state)  # with all that counts, even if it is nothing yet
        self._note(whole.file_id, owner, whole.accounted)  # a count may have begun meanwhile
        if after != whole.accounted:
            self._add(owner, whole.file_id, after - whole.accounted)
        if self._count is not None and self._count.later is None:
            self._count.touched[whole.file_id] = owner, after  # whatever it was taken for in the middle of the change

    def _charges(self, state: FileState | None) -> list[int]:
        return [] if state is None else [s.charge.taken for s in state.all_streams() if s.charge is not None]

    def _forget_closed(self, node: Node, state: FileState | None, *, gone: bool) -> None:
        """Drop charges of streams that are open no more or just went; a file that is gone lives on in its opens."""
        for stream in () if state is None else state.all_streams():
            live = [o for o in stream.opens if not o.closed]
            if not live:
                stream.charge = None
            elif gone and not node.is_directory:
                self.charge_of(live[0])

    def check_owner(self, node: Node, new: bytes) -> None:
        """Check that the owner in the descriptor `new` may have the file.  Errors: DISK_FULL."""
        owner, current = self._owner_in(new), self._owner_in(node.security())
        if owner != current and self.counted:
            limit = self.rules.owner_limit(owner)
            total = self._total(node)
            if limit != NO_LIMIT and self.by_owner[owner] + total > limit:
                raise NtError(Status.DISK_FULL, f"{total} bytes are too much for {owner}")

    def owner_changed(self, opened: Open, old: bytes | None) -> None:
        """Count a file, whose descriptor was `old`, for the owner it has now."""
        before, after = self._owner_in(old), self._owner_in(opened.node.security())
        for stream in opened.file.all_streams():
            if stream.charge is not None:
                stream.charge.owner = after
        if before == after or not self._follows:
            return
        total, file_id = self._total(opened.node), opened.node.info().file_id
        count = self._count
        if count is not None and count.later is None:
            count.touched[file_id] = after, total
            count = None
        for owner, size in ((before, -total), (after, total)):
            self.by_owner[owner] += size
            if self.by_owner[owner] <= 0:
                del self.by_owner[owner]
            if count is not None and count.later is not None:
                count.later[owner] += size

    # -- the end of opens --
    async def last_close(self, opened: Open) -> None:
        """Give back what was reserved and not used, before the last open of a stream closes."""
        charge = opened.stream_state.charge
        if charge is None or not charge.reserved or charge.changing or _others(opened):
            return
        node, reserved = opened.node, charge.reserved
        charge.reserved = 0
        charge.unsure = True
        charge.trimming = asyncio.Event()  # whoever opens the stream now and writes must not lose that
        try:
            info = node.info()
            if reserved > info.end_of_file:
                await node.set_end_of_file(info.end_of_file)
                node.set_times(last_write=info.last_write_time, change=info.change_time)
        except NtError as error:
            log.warning("space reserved for %r is not given back: %s", opened.path, error)
        finally:
            charge.trimming.set()
            charge.trimming = None
        self._settle(opened, charge)

    def closing(self, opened: Open) -> None:
        """Note that `opened`, still registered, goes."""
        charge = opened.stream_state.charge
        if charge is None or charge.trimming is not None or _others(opened):
            return  # who trims is still to close
        if opened.file in self._orphans:
            self._touch(opened.node, charge)
            self._add(charge.owner, charge.file_id, -charge.taken)
            opened.stream_state.charge = None
            if not any(s.charge is not None for s in opened.file.all_streams()):
                self._orphans.discard(opened.file)
        elif charge.changing:  # it ends without anybody to look at the file then
            self._again_in(_SOON)
        else:
            if charge.reserved or charge.unsure:
                charge.reserved = 0
                self._settle(opened, charge)
            opened.stream_state.charge = None


def _others(opened: Open) -> bool:
    return any(other is not opened and not other.closed for other in opened.stream_state.opens)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.warning("the files cannot be counted: %s", task.exception())


async def counting(volume: Volume) -> Space | None:
    """Return what counts the files of the volume, once it knows what they take; None where nobody has to know.

    Errors: as `Space.ready`
    """
    while (space := volume.space) is not None and not space.counted:
        await space.ready()  # the rules may be others by then
    return space


async def set_end_of_file(opened: Open, size: int) -> None:
    """Set the end of the stream of `opened`, counted where the volume counts.  Errors: DISK_FULL."""
    space = await counting(opened.volume)
    if space is None:
        await opened.node.set_end_of_file(size)
    else:
        await space.change(opened, size, lambda: opened.node.set_end_of_file(size), shrinks=True)


async def change_to(opened: Open, size: int, work: Callable[[], Awaitable[T]]) -> T:
    """Do `work`, after which the stream has at least `size` bytes, counted where the volume counts.

    Errors: DISK_FULL
    """
    space = await counting(opened.volume)
    if space is None:
        return await work()
    return await space.change(opened, size, work, shrinks=True)


async def set_allocation(opened: Open, size: int) -> None:
    """Reserve space for the stream of `opened`, counted where the volume counts.  Errors: DISK_FULL."""
    space = await counting(opened.volume)
    if space is None:
        await opened.node.set_allocation(size)
    else:
        await space.reserve(opened, size)


async def giving_back(
    volume: Volume, node: Node, work: Callable[[], Awaitable[None]], *, removes: bool = False
) -> None:
    """Do `work`, which makes the file of `node` smaller or removes it, counted where the volume counts."""
    if volume.space is None:
        await work()
    else:
        await volume.space.giving_back(node, work, removes=removes)


async def replacing(opened: Open, path: tuple[str, ...], work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, which puts a link to the file of `opened` at `path`, whatever is there now; counted as above."""
    volume = opened.volume
    if volume.space is None:
        await work()
        return
    try:
        target = await volume.backend.open(path, follow=False)
    except NtError as error:
        if error.status is not Status.OBJECT_NAME_NOT_FOUND:
            raise
        await work()
        return
    try:
        if target.key == opened.file.key:
            await work()
        else:
            await volume.space.giving_back(target, work)
    finally:
        target.close()
