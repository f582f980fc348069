"""Change notifications  [MS-FSCC 2.7.1, MS-SMB2 2.2.35]."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from smbcore.nt.info.buffers import Buffer, next_entry, to_utf16, unpack, utf16

_ENTRY = Struct("<III")  # NextEntryOffset, Action, FileNameLength

# Actions.
FILE_ACTION_ADDED = 0x1
FILE_ACTION_REMOVED = 0x2
FILE_ACTION_MODIFIED = 0x3
FILE_ACTION_RENAMED_OLD_NAME = 0x4
FILE_ACTION_RENAMED_NEW_NAME = 0x5
FILE_ACTION_ADDED_STREAM = 0x6
FILE_ACTION_REMOVED_STREAM = 0x7
FILE_ACTION_MODIFIED_STREAM = 0x8
FILE_ACTION_REMOVED_BY_DELETE = 0x9
FILE_ACTION_ID_NOT_TUNNELLED = 0xA
FILE_ACTION_TUNNELLED_ID_COLLISION = 0xB

# Completion filters.
FILE_NOTIFY_CHANGE_FILE_NAME = 0x001
FILE_NOTIFY_CHANGE_DIR_NAME = 0x002
FILE_NOTIFY_CHANGE_ATTRIBUTES = 0x004
FILE_NOTIFY_CHANGE_SIZE = 0x008
FILE_NOTIFY_CHANGE_LAST_WRITE = 0x010
FILE_NOTIFY_CHANGE_LAST_ACCESS = 0x020
FILE_NOTIFY_CHANGE_CREATION = 0x040
FILE_NOTIFY_CHANGE_EA = 0x080
FILE_NOTIFY_CHANGE_SECURITY = 0x100
FILE_NOTIFY_CHANGE_STREAM_NAME = 0x200
FILE_NOTIFY_CHANGE_STREAM_SIZE = 0x400
FILE_NOTIFY_CHANGE_STREAM_WRITE = 0x800
FILE_NOTIFY_VALID = 0xFFF


def encode_changes(changes: Iterable[tuple[int, str]], max_length: int) -> bytes | None:
    """Encode (action, name) pairs; names are relative to the watched directory.

    Returns None if they need more than `max_length` bytes: the client is then told to
    look for itself (NOTIFY_ENUM_DIR).
    """
    result = bytearray()
    last = 0
    for action, name in changes:
        encoded = to_utf16(name)
        if result:
            result += bytes(-len(result) % 4)
            result[last : last + 4] = (len(result) - last).to_bytes(4, "little")
        last = len(result)
        if last + _ENTRY.size + len(encoded) > max_length:
            return None
        result += _ENTRY.pack(0, action, len(encoded))
        result += encoded
    return bytes(result)


def decode_changes(data: Buffer) -> list[tuple[int, str]]:
    """Decode (action, name) pairs. Raises WireError."""
    changes: list[tuple[int, str]] = []
    offset = 0 if len(data) else -1
    while offset >= 0:
        step, action, length = unpack(_ENTRY, data, offset)
        changes.append((action, utf16(data, offset + _ENTRY.size, length)))
        offset = next_entry(data, offset, step, _ENTRY.size + length)
    return changes
