"""The contract between the file-system layer and whoever serves it: parameters, results and callbacks as data.

`Volume` (fsa/volume.py) opens; `Open` (fsa/open.py) does everything else. This module holds the value types that cross
the boundary, so that the server can be read without reading the layer.

Lock order: all state of this layer is touched on the event-loop thread only. A coroutine that suspends (oplock break,
blocking lock, notify, cold disk) re-checks what it decided before, as MS-FSA phrases it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Protocol

from smbcore.fsa.space_rules import SpaceRules
from smbcore.nt.token import Token

if TYPE_CHECKING:
    import asyncio


class OplockLevel(IntEnum):
    """Legacy oplock levels and the granular form  [MS-FSA 2.1.5.18]."""

    NONE = 0
    LEVEL_TWO = 1
    LEVEL_ONE = 2
    BATCH = 3
    GRANULAR = 4


class Caching(IntFlag):
    """What a granular holder may cache; the bits of a lease state."""

    NONE = 0
    READ = 1
    HANDLE = 2
    WRITE = 4


@dataclass(slots=True)
class FileRange:
    """Bytes of a file that can be sent from where they lie: `handle` belongs to an open, and is good while that is."""

    handle: int
    offset: int
    length: int


@dataclass(slots=True)
class OpenParameters:
    r"""Parameters of Server Requests an Open of a File  [MS-FSA 2.1.5.1].

    path              share-relative with backslashes, "" for the root; may carry a stream suffix (`a\b.txt:s:$DATA`)
    desired_access    as requested, generic and MAXIMUM_ALLOWED bits included
    access_limit      what the share grants at most to this user; more than this is ACCESS_DENIED
    oplock_key        16+16 bytes naming a caching holder (client and lease), None for none; opens of one key never
                      break each other
    parent_oplock_key the same for the directory lease of the parent
    allocation_size   bytes to reserve for a created or overwritten file, 0 for none
    security          self-relative descriptor to apply to a created file, None to inherit
    extended_attributes name -> value for a created file
    timewarp          FILETIME of the snapshot wanted, 0 for now
    """

    path: str
    token: Token
    desired_access: int
    share_access: int
    create_disposition: int
    create_options: int
    file_attributes: int = 0
    access_limit: int = 0x001F01FF
    oplock_key: bytes | None = None
    parent_oplock_key: bytes | None = None
    allocation_size: int = 0
    security: bytes | None = None
    extended_attributes: list[tuple[bytes, bytes]] = field(default_factory=list)
    timewarp: int = 0


@dataclass(slots=True)
class BreakNotice:
    """A holder must give up caching.

    level / caching   what the holder has to go down to (legacy level, or granular flags)
    acknowledge       True if the break waits for `acknowledge_break` (or the time-out)
    continues         a further step of the break that was just acknowledged: no change of state of its own, so the
                      epoch of a lease stays (smbtorture smb2.lease.v2_breaking3)
    """

    holder: BreakListener
    old_level: OplockLevel
    new_level: OplockLevel
    old_caching: Caching
    new_caching: Caching
    acknowledge: bool
    continues: bool = False


class BreakListener(Protocol):
    """Whoever holds an oplock or lease: the server's open (legacy) or its lease object (granular)."""

    def oplock_broken(self, notice: BreakNotice) -> asyncio.Future[None] | None:
        """Tell the client. Never waits, never raises; called on the loop thread.

        What the break makes way for goes on after the future that is returned, if any.
        """

    def caching_changed(self) -> asyncio.Future[None] | None:
        """Note that a break is over: acknowledged, or not in time, or there was nothing to acknowledge; otherwise the
        same.
        """

    def break_timed_out(self) -> None:
        """The client has not answered a break in time, and caches nothing any more. Never waits, never raises."""


@dataclass(slots=True)
class OplockGrant:
    """Result of an oplock request."""

    level: OplockLevel
    caching: Caching = Caching.NONE
    break_in_progress: bool = False


@dataclass(slots=True)
class LockElement:
    """One range of a lock request; bytes from the start of the stream."""

    offset: int
    length: int
    exclusive: bool = False
    unlock: bool = False


@dataclass(slots=True)
class VolumeConfig:
    """How a volume behaves; from the share's settings. All have the default of an ordinary share.

    default_security      self-relative descriptor of files that carry none
    read_only             every change is MEDIA_WRITE_PROTECTED, maximal access loses the write bits
    hide                  Pattern-like names that listings mark HIDDEN (`hide_files`), and dot files if hide_dot_files
    delete_readonly       READONLY files may be deleted
    max_file_size         bytes; NTFS's limit with clusters of 4 KiB
    local_changes         watchers hear of changes by other processes too, where the store can tell
    canonical_inheritance a list counts as auto-inherited only if the client asked for that too, as in Windows
    hidden_eas            names of extended attributes (upper case) that clients neither see nor set
    keep_creation_time    a file that is made under a name that just went gets the creation time of what had it
    space                 how much the files may take
    guards_caching        clients cache a file only while no program outside of this server has it open
    mirrors_locks         byte ranges exclude programs outside of this server too, and theirs exclude clients
    rename_beside_delete  an open directory with DELETE does not keep others from renaming files in it
    delayed_write_time    seconds after the first write through an open until its time shows; 0 at once
    """

    default_security: bytes
    read_only: bool = False
    named_streams: bool = True
    change_notify: bool = True
    oplocks: bool = True
    leases: bool = True
    access_based_enumeration: bool = False
    delete_readonly: bool = False
    hide_dot_files: bool = False
    hide_files: tuple[str, ...] = ()
    break_timeout: float = 35.0
    max_opens: int = 65536
    max_file_size: int = 0xFFF_FFFF_0000
    local_changes: bool = True
    canonical_inheritance: bool = True
    hidden_eas: frozenset[bytes] = frozenset()
    keep_creation_time: bool = True
    guards_caching: bool = False
    mirrors_locks: bool = False
    rename_beside_delete: bool = False
    delayed_write_time: float = 0.0
    space: SpaceRules = field(default_factory=SpaceRules)


# Volume(backend, config, clock) --------------------------------------------------------------------------------------
#
#   async open_file(parameters: OpenParameters) -> Open
#       [MS-FSA 2.1.5.1]; raises every NtError of that section; waits for breaks; cancellation leaves no trace
#   volume_info(), query_fs_information(info_class, max_length, token=None) -> bytes
#   async set_fs_information(open, info_class, data);  set_space_rules(rules)
#   opens -> iterable of Open;  async close() closes everything, the backend too
#
# Open attributes
#   granted_access, share_access, create_options, create_action (nt/create.py), path (share relative with "\"), stream,
#   is_directory, file_key (hashable), file_id (64 bit), delete_pending (of the file), maximal_access (for MxAc), token
#
# Open methods; all check granted access and raise NtError with the status that MS-FSA or MS-SMB2 names
#   info() -> NodeInfo                          attributes without NORMAL, sizes of the stream
#   async read_into(offset, view) -> int        END_OF_FILE at the end unless len(view) == 0, FILE_LOCK_CONFLICT
#   range_to_send(offset, length) -> FileRange | None     instead of read_into, for a reply without signature or seal
#   async write(offset, data, write_through=False) -> int
#       offset -1 and append-only rules, breaks level II and R of others
#   async flush()
#   async lock(elements, *, fail_immediately)   LOCK_NOT_GRANTED, or waits; rolls back on failure
#   unlock(elements)                            RANGE_NOT_LOCKED
#   query_information(info_class, max_length, *, position=0) -> bytes
#       BUFFER_OVERFLOW (data = what fits), INFO_LENGTH_MISMATCH (data = needed size, 4 bytes)
#   async set_information(info_class, data)     rename, link, disposition, sizes, basic, position, mode, EA ...
#   query_security(security_information) -> bytes;  set_security(security_information, data)
#   query_extended_attributes(names | None, max_length, restart=False, single=False, index=0) -> bytes
#   async query_directory(info_class, pattern, max_length, *, restart, reopen, single, index) -> bytes
#       NO_SUCH_FILE, NO_MORE_FILES, BUFFER_OVERFLOW, INFO_LENGTH_MISMATCH
#   async change_notify(completion_filter, watch_tree, max_length) -> list of (action, name)
#       waits; NOTIFY_ENUM_DIR, NOTIFY_CLEANUP, DELETE_PENDING as NtError
#   async query_quota(scan, max_length) -> bytes;  async set_quota(data)
#   async fsctl(code, data, max_output) -> bytes
#   async copy_chunks(source, [(source offset, offset, length)], *, require_read=False) -> (count, last bytes, total)
#   async duplicate_extents(source, source_offset, offset, length)
#   request_oplock(level, caching, listener, key=None) -> OplockGrant
#   acknowledge_break(level, caching) -> OplockGrant
#       INVALID_OPLOCK_PROTOCOL, UNSUCCESSFUL, REQUEST_NOT_ACCEPTED;  a further step follows the answer as a notice
#   oplock -> (level, caching) now held;  transfer_descriptor() -> int | None
#   async close()                               locks, share mode, oplock, pending waits, delete on close
