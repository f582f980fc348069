"""Copying by token: a read that moves nothing, a write that copies then  [MS-FSA 2.1.5.10.20, 2.1.5.10.21].

Theory of operation. A token stands for the bytes of a range as they were when it was made, and nothing is kept of
them: the write copies from the source (where the store shares blocks, the kernel lets it share them), and a token whose
source changed in between is worth nothing. Whether it changed is told by three things together: the count of changes
that were made through opens (kept per stream, exact), and the size and the write time, for changes by local processes.
It is looked at before the copy and after every piece; a client that is told INVALID_TOKEN copies the ordinary way.

A token works while somebody has the source open, for the user that made it, until its time is over, and on every volume
that shares the table: one for all shares of a server. Who makes more than there is room for loses the oldest ones.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smbcore.fsa import copy
from smbcore.nt import attributes as fa
from smbcore.nt.access import FILE_READ_DATA, FILE_WRITE_DATA
from smbcore.nt.clock import Clock
from smbcore.nt.errors import WireError
from smbcore.nt.info import offload as wire
from smbcore.nt.sid import Sid
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from smbcore.fsa.file_table import StreamState
    from smbcore.fsa.open import Open

CAPACITY: Final = 4096
PER_OPEN: Final = 64
DEFAULT_SECONDS: Final = 30.0
LONGEST_SECONDS: Final = 300.0
MAX_LENGTH: Final = 256 << 20
"""Bytes that one token stands for, and that one write moves; clients go on from there."""
PIECE: Final = 16 << 20
"""Bytes copied between two looks at the source."""

_KIND: Final = 0x4846_4F44
_IDENTITY_SIZE: Final = 32
_OVERFLOW: Final = 1 << 64
_MAX_OFFSET: Final = 0x7FFF_FFFF_FFFF_FFFF
_NOT_PLAIN: Final = fa.FILE_ATTRIBUTE_SPARSE_FILE | fa.FILE_ATTRIBUTE_COMPRESSED | fa.FILE_ATTRIBUTE_ENCRYPTED
_ZERO: Final = wire.OffloadToken(wire.TOKEN_TYPE_ZERO_DATA)
_State = tuple[int, int, int]


@dataclass(slots=True, eq=False)
class Token:
    """What a token stands for: `length` bytes at `offset` of a stream; those from `end` on are zeros.

    state  of the source when it was made;  expires  seconds of the monotonic clock
    """

    stream: StreamState
    owner: Open
    user: Sid
    offset: int
    length: int
    end: int
    state: _State
    expires: float


class TokenTable:
    """The tokens of a server; none is ever more than a note of where data was."""

    __slots__ = ("_clock", "_of_open", "_tokens")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[bytes, Token] = {}
        self._of_open: dict[Open, deque[bytes]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def expiry(self, milliseconds: int) -> float:
        """Return when a token ends that was asked to live so long; 0 leaves it to us."""
        seconds = min(milliseconds / 1000, LONGEST_SECONDS) or DEFAULT_SECONDS
        return self._clock.monotonic() + seconds

    def issue(self, token: Token) -> bytes:
        """Take in a token and return its identity, which nobody can guess."""
        self._drop_dead()
        own = self._of_open.get(token.owner)
        if own is not None and len(own) >= PER_OPEN:
            self._drop(own[0])
        elif len(self._tokens) >= CAPACITY:
            self._drop(next(iter(self._tokens)))
        identity = os.urandom(_IDENTITY_SIZE)
        self._tokens[identity] = token
        self._of_open.setdefault(token.owner, deque()).append(identity)
        return identity

    def find(self, identity: bytes, user: Sid) -> Token:
        """Return the token of that identity.  Raises INVALID_TOKEN: unknown, another user's, or too old."""
        token = self._tokens.get(identity)
        if token is None or token.user != user:
            raise NtError(Status.INVALID_TOKEN, "no such token")
        if token.expires <= self._clock.monotonic():
            self._drop(identity)
            raise NtError(Status.INVALID_TOKEN, "the token's time is over")
        return token

    def _drop_dead(self) -> None:
        """Drop the oldest tokens as far as they are good for nothing."""
        now = self._clock.monotonic()
        while self._tokens:
            identity, token = next(iter(self._tokens.items()))
            if token.expires > now and token.stream.opens:
                return
            self._drop(identity)

    def _drop(self, identity: bytes) -> None:
        owner = self._tokens.pop(identity).owner
        own = self._of_open[owner]
        own.remove(identity)
        if not own:
            del self._of_open[owner]


# -- reading --
async def read(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_OFFLOAD_READ: make a token for a range  [MS-FSA 2.1.5.10.20].

    Errors: ACCESS_DENIED;  BUFFER_TOO_SMALL;  INVALID_PARAMETER not on sector boundaries, or a file of less than one;
            OFFLOAD_READ_FILE_NOT_SUPPORTED a directory, a sparse or compressed file;  FILE_DELETED;
            FILE_LOCK_CONFLICT;  END_OF_FILE.
    """
    _check_access(opened, FILE_READ_DATA)
    _check_room(len(data) >= wire.READ_SIZE and max_output >= wire.READ_RESULT_SIZE)
    asked = wire.OffloadRead.decode(data)
    sector = opened.volume.volume_info().sector_size
    _check_numbers(asked.size == wire.READ_SIZE, sector, asked.offset, asked.length)
    if not asked.length:
        return wire.OffloadReadResult(0, _ZERO).encode()
    end_of_file = _check_file(opened, Status.OFFLOAD_READ_FILE_NOT_SUPPORTED)
    ranges = opened.stream_state.ranges
    if ranges is not None:
        ranges.check_read(opened, asked.offset, asked.length)
    there, length = _inside(asked.offset, asked.length, end_of_file, sector)
    flags = wire.ALL_ZERO_BEYOND_CURRENT_RANGE if asked.length > there and length >= there else 0
    if not opened.node.allocated_ranges(asked.offset, min(length, there)):
        return wire.OffloadReadResult(length, _ZERO, flags).encode()
    tokens = opened.volume.tokens
    token = Token(
        stream=opened.stream_state,
        owner=opened,
        user=opened.token.user,
        offset=asked.offset,
        length=length,
        end=min(asked.offset + length, end_of_file),
        state=_state_of(opened.stream_state, opened),
        expires=tokens.expiry(asked.time_to_live),
    )
    return wire.OffloadReadResult(length, wire.OffloadToken(_KIND, tokens.issue(token)), flags).encode()


def _check_access(opened: Open, access: int) -> None:
    if not opened.granted_access & access:
        raise NtError(Status.ACCESS_DENIED, f"control needs {access:#x}")


def _check_room(fits: bool) -> None:
    if not fits:
        raise NtError(Status.BUFFER_TOO_SMALL, "copying by token")


def _check_numbers(size_is_right: bool, sector: int, offset: int, length: int, transfer_offset: int = 0) -> None:
    if (offset | length | transfer_offset) % sector or not size_is_right or offset + length >= _OVERFLOW:
        raise NtError(Status.INVALID_PARAMETER, f"{length:#x} bytes at {offset:#x}, {transfer_offset:#x} of the token")


def _check_file(opened: Open, not_supported: Status) -> int:
    """Check what kind of file it is; return its end."""
    if opened.is_directory:
        raise NtError(not_supported, "a directory")
    info = opened.node.info()
    if info.attributes & _NOT_PLAIN:
        raise NtError(not_supported, f"attributes {info.attributes:#x}")
    if opened.delete_pending:
        raise NtError(Status.FILE_DELETED, f"{opened.path!r} is being deleted")
    return info.end_of_file


def _inside(offset: int, length: int, end_of_file: int, sector: int) -> tuple[int, int]:
    """Return the bytes from `offset` to the end of the file, and how many of `length` count; the last sector as whole.

    Errors: INVALID_PARAMETER;  END_OF_FILE
    """
    if offset > _MAX_OFFSET:
        raise NtError(Status.INVALID_PARAMETER, f"offset {offset:#x}")
    if offset >= end_of_file:
        raise NtError(Status.END_OF_FILE, f"offset {offset:#x}")
    if end_of_file < sector:
        raise NtError(Status.INVALID_PARAMETER, "a file of less than a sector")
    there = end_of_file - offset
    return there, min(length, MAX_LENGTH, -(-there // sector) * sector)


def _state_of(stream: StreamState, opened: Open) -> _State:
    info = opened.node.info()
    return stream.data_changes(), info.end_of_file, info.last_write_time


# -- writing --
async def write(opened: Open, data: bytes, max_output: int) -> bytes:
    """FSCTL_OFFLOAD_WRITE: copy what a token stands for  [MS-FSA 2.1.5.10.21].

    Nothing is written beyond the end of the file; the last sector counts as whole.
    Errors: MEDIA_WRITE_PROTECTED;  INVALID_TOKEN unknown, too old, or its source changed or was closed;  DISK_FULL;
            OFFLOAD_WRITE_FILE_NOT_SUPPORTED, and the others as `read`.
    """
    _check_access(opened, FILE_WRITE_DATA)
    opened.check_writable_volume()
    _check_room(len(data) >= wire.WRITE_SIZE and max_output >= wire.WRITE_RESULT_SIZE)
    asked = wire.OffloadWrite.decode(data)
    sector = opened.volume.volume_info().sector_size
    _check_numbers(asked.size == wire.WRITE_SIZE, sector, asked.offset, asked.length, asked.transfer_offset)
    if not asked.length:
        return wire.OffloadWriteResult(0).encode()
    _check_file(opened, Status.OFFLOAD_WRITE_FILE_NOT_SUPPORTED)
    await opened.prepare_change()
    end_of_file = opened.node.info().end_of_file  # only now: that may have waited for others
    if asked.offset + asked.length > opened.volume.config.max_file_size:
        raise NtError(Status.INVALID_PARAMETER, f"a file of {asked.offset + asked.length:#x} bytes")
    ranges = opened.stream_state.ranges
    if ranges is not None:
        ranges.check_write(opened, asked.offset, asked.length)
    there, length = _inside(asked.offset, asked.length, end_of_file, sector)
    if int.from_bytes(asked.token[:4], "big") == wire.TOKEN_TYPE_ZERO_DATA:
        await _write_zeros(opened, asked.offset, asked.offset + min(length, there))
    else:
        length = await _write_token(opened, asked, length, there)
    return wire.OffloadWriteResult(length).encode()


async def _write_zeros(opened: Open, offset: int, beyond: int) -> None:
    try:
        await opened.node.zero_range(offset, beyond)
    finally:
        opened.after_write()


async def _write_token(opened: Open, asked: wire.OffloadWrite, length: int, there: int) -> int:
    """Copy at most `length` bytes, `there` of which are before the end of the file; return the bytes that count."""
    token = opened.volume.tokens.find(_identity_of(asked.token), opened.token.user)
    if asked.transfer_offset >= token.length:
        raise NtError(Status.INVALID_PARAMETER, f"{asked.transfer_offset:#x} is beyond what the token stands for")
    _check_valid(token)
    length = min(length, token.length - asked.transfer_offset)
    start = token.offset + asked.transfer_offset
    within = token.stream is opened.stream_state
    if within:
        length = min(length, PIECE)  # what overlaps is copied the right way round in one piece only
    end = asked.offset + min(length, there)
    try:
        copied = await _copy_pieces(opened, token, start, asked.offset, end)
        if copied < end:
            await opened.node.zero_range(copied, end)
    finally:
        opened.after_write()
    if within and (asked.offset + length <= token.offset or token.offset + token.length <= asked.offset):
        token.state = _state_of(token.stream, opened)  # what changed is not what the token stands for
    return length


def _identity_of(token: bytes) -> bytes:
    try:
        return wire.OffloadToken.decode(token).identity
    except WireError as error:
        raise NtError(Status.INVALID_TOKEN, str(error)) from error


async def _copy_pieces(opened: Open, token: Token, start: int, offset: int, end: int) -> int:
    """Copy from `start` of the token's stream to [offset, end); return the offset that was reached.

    Raises INVALID_TOKEN when the source changes meanwhile.
    """
    end = min(end, offset + max(0, token.end - start))
    while offset < end:
        source = _check_valid(token)
        count = await copy.transfer(opened, source, start, offset, min(end - offset, PIECE))
        if token.stream is not opened.stream_state:
            _check_valid(token)
        elif token.stream.data_changes() != token.state[0]:  # size and time are those that this copy gave it
            raise NtError(Status.INVALID_TOKEN, "the source changed during the copy")
        if not count:
            raise NtError(Status.INVALID_TOKEN, "the source ended early")
        start += count
        offset += count
    return offset


def _check_valid(token: Token) -> Open:
    """Return an open of the source to copy from.  Raises INVALID_TOKEN when it is not what it was."""
    for source in token.stream.opens:
        if not source.closed:
            if _state_of(token.stream, source) != token.state:
                raise NtError(Status.INVALID_TOKEN, "the source changed")
            return source
    raise NtError(Status.INVALID_TOKEN, "nobody has the source open")
