"""Access masks of files and directories  [MS-DTYP 2.4.3, MS-SMB2 2.2.13.1].

Plain ints: an `&` of IntFlag costs twenty times as much.
"""

from __future__ import annotations

FILE_READ_DATA = 0x0000_0001
FILE_LIST_DIRECTORY = 0x0000_0001
FILE_WRITE_DATA = 0x0000_0002
FILE_ADD_FILE = 0x0000_0002
FILE_APPEND_DATA = 0x0000_0004
FILE_ADD_SUBDIRECTORY = 0x0000_0004
FILE_READ_EA = 0x0000_0008
FILE_WRITE_EA = 0x0000_0010
FILE_EXECUTE = 0x0000_0020
FILE_TRAVERSE = 0x0000_0020
FILE_DELETE_CHILD = 0x0000_0040
FILE_READ_ATTRIBUTES = 0x0000_0080
FILE_WRITE_ATTRIBUTES = 0x0000_0100

DELETE = 0x0001_0000
READ_CONTROL = 0x0002_0000
WRITE_DAC = 0x0004_0000
WRITE_OWNER = 0x0008_0000
SYNCHRONIZE = 0x0010_0000
ACCESS_SYSTEM_SECURITY = 0x0100_0000
MAXIMUM_ALLOWED = 0x0200_0000
GENERIC_ALL = 0x1000_0000
GENERIC_EXECUTE = 0x2000_0000
GENERIC_WRITE = 0x4000_0000
GENERIC_READ = 0x8000_0000

STANDARD_RIGHTS_REQUIRED = DELETE | READ_CONTROL | WRITE_DAC | WRITE_OWNER
STANDARD_RIGHTS_ALL = STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE
SPECIFIC_RIGHTS_FILE = 0x0000_01FF
GENERIC_RIGHTS = GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL

FILE_GENERIC_READ = FILE_READ_DATA | FILE_READ_EA | FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE
FILE_GENERIC_WRITE = (
    FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE
)
FILE_GENERIC_EXECUTE = FILE_EXECUTE | FILE_READ_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE
FILE_ALL_ACCESS = STANDARD_RIGHTS_ALL | SPECIFIC_RIGHTS_FILE

RESERVED = 0x0CE0_FE00
"""Bits that no request may carry (ACCESS_DENIED)  [MS-SMB2 3.3.5.9]."""

VALID = GENERIC_RIGHTS | FILE_ALL_ACCESS | ACCESS_SYSTEM_SECURITY | MAXIMUM_ALLOWED


def map_generic(mask: int) -> int:
    """Replace the generic rights of `mask` by the file rights they stand for."""
    if not mask & GENERIC_RIGHTS:
        return mask
    if mask & GENERIC_READ:
        mask |= FILE_GENERIC_READ
    if mask & GENERIC_WRITE:
        mask |= FILE_GENERIC_WRITE
    if mask & GENERIC_EXECUTE:
        mask |= FILE_GENERIC_EXECUTE
    if mask & GENERIC_ALL:
        mask |= FILE_ALL_ACCESS
    return mask & ~GENERIC_RIGHTS


NAMES: tuple[tuple[int, str], ...] = (
    (FILE_READ_DATA, "read"),
    (FILE_WRITE_DATA, "write"),
    (FILE_APPEND_DATA, "append"),
    (FILE_READ_EA, "read-ea"),
    (FILE_WRITE_EA, "write-ea"),
    (FILE_EXECUTE, "execute"),
    (FILE_DELETE_CHILD, "delete-child"),
    (FILE_READ_ATTRIBUTES, "read-attributes"),
    (FILE_WRITE_ATTRIBUTES, "write-attributes"),
    (DELETE, "delete"),
    (READ_CONTROL, "read-permissions"),
    (WRITE_DAC, "change-permissions"),
    (WRITE_OWNER, "take-ownership"),
    (SYNCHRONIZE, "synchronize"),
    (ACCESS_SYSTEM_SECURITY, "system-security"),
    (MAXIMUM_ALLOWED, "maximum-allowed"),
    (GENERIC_ALL, "generic-all"),
    (GENERIC_EXECUTE, "generic-execute"),
    (GENERIC_WRITE, "generic-write"),
    (GENERIC_READ, "generic-read"),
)
"""Every single right with the word people see for it, lowest bits of files first."""


def words(mask: int) -> str:
    """Describe `mask` for people: "read+write+delete", "all", "none"; unknown bits in hex."""
    if not mask:
        return "none"
    parts = []
    if mask & FILE_ALL_ACCESS == FILE_ALL_ACCESS:
        parts.append("all")
        mask &= ~FILE_ALL_ACCESS
    for bit, word in NAMES:
        if mask & bit:
            parts.append(word)
            mask &= ~bit
    if mask:
        parts.append(f"{mask:#x}")
    return "+".join(parts)
