"""Listing a directory  [MS-FSA 2.1.5.6].

The names are fetched once per enumeration, filtered by the pattern, and their metadata asked for in batches as the
client comes back for more. The pattern of the first request stays until a request restarts with another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbcore.fsa.backend import NodeInfo
from smbcore.nt.access import FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_READ_EA, READ_CONTROL
from smbcore.nt.info.classes import FILE_NAMES_INFORMATION, fixed_size
from smbcore.nt.info.directory import CLASSES, Packer
from smbcore.nt.names import Pattern, check_component
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.open import Open

_TO_SEE = FILE_READ_DATA | FILE_READ_EA | FILE_READ_ATTRIBUTES | READ_CONTROL
_DOTS = (".", "..")
_BATCH = 256
_LEAST_BATCH = 8
_SPACE_PER_ENTRY = 128
_WITH_SHORT_NAMES = frozenset({3, 37, 63, 79, 81})


class Enumeration:
    """Where an open is in listing its directory.

    names   names still unfiltered by metadata, in listing order; "." and ".." first
    at      index of the next one in `names`
    ready   entries with metadata that did not fit the last reply
    seen_at changes on the volume when their metadata was read
    """

    __slots__ = ("at", "names", "pattern", "ready", "seen_at", "started")

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.names: list[str] = []
        self.at = 0
        self.ready: list[tuple[str, NodeInfo]] = []
        self.seen_at = 0
        self.started = False


async def query_directory(
    opened: Open,
    info_class: int,
    pattern: str,
    max_length: int,
    *,
    restart: bool = False,
    reopen: bool = False,
    single: bool = False,
    index: int = 0,
) -> bytes:
    """Return the next entries, as many as fit.

    pattern  empty means everything on the first call, and the pattern so far later
    index    ignored: this file system has no stable positions
    Errors: INVALID_PARAMETER not a directory;  ACCESS_DENIED;  INVALID_INFO_CLASS;  NO_SUCH_FILE nothing matches;
            NO_MORE_FILES;  INFO_LENGTH_MISMATCH not even the fixed part fits;  BUFFER_OVERFLOW the first name does not.
    """
    del index
    if not opened.is_directory:
        raise NtError(Status.INVALID_PARAMETER, "listing a file")
    if not opened.granted_access & FILE_LIST_DIRECTORY:
        raise NtError(Status.ACCESS_DENIED, f"listing {opened.path!r}")
    if info_class not in CLASSES:
        raise NtError(Status.INVALID_INFO_CLASS, f"directory information class {info_class}")
    if max_length < fixed_size(info_class):
        raise NtError(Status.INFO_LENGTH_MISMATCH, f"{max_length} bytes")
    enumeration = opened.enumeration
    if enumeration is None or reopen or (restart and pattern):
        enumeration = opened.enumeration = await _begin(opened, pattern or "*")
    elif restart:
        enumeration = opened.enumeration = await _begin(opened, enumeration.pattern.expression)
    return await _continue(opened, enumeration, info_class, max_length, single=single)


async def _begin(opened: Open, expression: str) -> Enumeration:
    """Fetch and filter the names."""
    pattern = Pattern(expression, case_sensitive=opened.volume.case_sensitive)
    enumeration = Enumeration(pattern)
    if pattern.literal is not None:
        enumeration.names = await _find_one(opened, expression)
        return enumeration
    node = opened.node
    names = await node.names()
    if pattern.matches_all:
        enumeration.names = [*_DOTS, *names]
        return enumeration
    matches = pattern.matches
    enumeration.names = [name for name in _DOTS if matches(name)]
    enumeration.names += [name for name in names if matches(name) or matches(node.short_name(name))]
    return enumeration


_NO_SUCH_NAME = frozenset(
    {
        Status.OBJECT_NAME_NOT_FOUND,
        Status.OBJECT_PATH_NOT_FOUND,
        Status.OBJECT_NAME_INVALID,
        Status.ACCESS_DENIED,
        Status.STOPPED_ON_SYMLINK,
    }
)
"""What opening a name says where a listing simply does not have it."""


async def _find_one(opened: Open, name: str) -> list[str]:
    """Return the entry that a pattern without wildcards can match, however large the directory is."""
    if name in _DOTS:
        return [name]
    try:
        check_component(name)
        node = await opened.volume.backend.open((*opened.node.path, name), follow=False)
    except NtError as error:
        if error.status not in _NO_SUCH_NAME:
            raise
        return []
    try:
        return [node.path[-1]]
    finally:
        node.close()


async def _continue(opened: Open, e: Enumeration, info_class: int, max_length: int, *, single: bool) -> bytes:
    """Pack entries from where the enumeration is."""
    packer = Packer(info_class, max_length)
    short_name = opened.node.short_name if info_class in _WITH_SHORT_NAMES else _no_short_name
    full = False
    if e.ready and e.seen_at != opened.volume.changes:
        await _look_again(opened, e, info_class)
    packed: list[tuple[str, NodeInfo]] = []
    while not full:
        try:
            if not e.ready and not await _fetch(opened, e, info_class, 1 if single else max_length):
                break
        except NtError:
            if not packed:
                raise
            break  # these entries are answered; the next request meets the error again
        except BaseException:
            e.ready[:0] = packed  # nobody was told of them
            raise
        ready = e.ready
        taken = 0
        for name, info in ready:
            if not packer.put(name, short_name(name) if name not in _DOTS else "", info):
                full = True
                break
            taken += 1
            if single:
                full = True
                break
        packed += ready[:taken]
        del ready[:taken]
    if packer.count:
        e.started = True
        return packer.bytes()
    if full:
        raise NtError(Status.BUFFER_OVERFLOW if not e.started else Status.INFO_LENGTH_MISMATCH, "a name does not fit")
    if e.started:
        raise NtError(Status.NO_MORE_FILES, opened.path)
    e.started = True
    raise NtError(Status.NO_SUCH_FILE, f"{e.pattern.expression!r} in {opened.path!r}")


async def _look_again(opened: Open, e: Enumeration, info_class: int) -> None:
    """Read anew what did not fit the last reply: it may have changed since, or be gone."""
    changes = opened.volume.changes
    waiting, e.ready = e.ready, []  # another request must not tell of them meanwhile
    try:
        described = await _describe(opened, [name for name, _ in waiting], info_class)
    except BaseException:
        e.ready[:0] = waiting
        raise
    e.ready[:0] = described
    e.seen_at = changes


async def _fetch(opened: Open, e: Enumeration, info_class: int, max_length: int) -> bool:
    """Get metadata for the next names; False at the end."""
    names = e.names
    while e.at < len(names):
        batch = min(_BATCH, max(_LEAST_BATCH, max_length // _SPACE_PER_ENTRY)) if max_length > 1 else 1
        at = e.at
        e.at += len(names[at : at + batch])
        e.seen_at = opened.volume.changes
        try:
            ready = await _describe(opened, names[at : at + batch], info_class)
        except BaseException:
            e.at = min(e.at, at)  # what could not be read comes again
            raise
        if ready:
            e.ready += ready  # another request may have left some since
            return True
    return False


async def _describe(opened: Open, names: list[str], info_class: int) -> list[tuple[str, NodeInfo]]:
    """Return metadata of those `names` that exist and that the user may see."""
    node = opened.node
    ready: list[tuple[str, NodeInfo]] = []
    while names and names[0] in _DOTS:
        ready.append((names.pop(0), node.info() if info_class != FILE_NAMES_INFORMATION else _NO_INFO))
    if names:
        ready += await node.entries(names)
    volume = opened.volume
    if volume.config.access_based_enumeration:
        ready = [item for item in ready if await _is_readable(opened, item[0])]
    if volume.marks_hidden:
        for name, info in ready:
            if name not in _DOTS:
                info.attributes |= volume.hidden_mark(name)
    return ready


_NO_INFO = NodeInfo(0, 0, 0, 0, 1, 0, 0, 0, 0)


def _no_short_name(name: str) -> str:
    """Stand for the 8.3 names where the class shows none."""
    del name
    return ""


async def _is_readable(opened: Open, name: str) -> bool:
    """Tell whether the user may read the child, for access based enumeration."""
    if name in _DOTS:
        return True
    volume = opened.volume
    try:
        node = await volume.backend.open((*opened.node.path, name), follow=False)
    except NtError:
        return False  # vanished, or leads nowhere: nothing to show either way
    try:
        granted = volume.security.maximal_access(node.security(), opened.actor)
    finally:
        node.close()
    return not _TO_SEE & ~granted
