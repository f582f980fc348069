"""Security identifiers  [MS-DTYP 2.4.2].

A `Sid` holds its wire bytes; everything else is derived from them. Hash and
comparison are those of the bytes, so membership tests in an access check cost
one dictionary probe.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, final

from smbcore.nt.errors import WireError

_REVISION: Final = 1
_MAX_SUB_AUTHORITIES: Final = 15
_HEADER_SIZE: Final = 8
_MIN_TEXT_PARTS: Final = 3
_SUBS: Final = tuple(Struct(f"<{count}I") for count in range(_MAX_SUB_AUTHORITIES + 1))

Buffer = bytes | bytearray | memoryview


@final
class Sid:
    """A security identifier; immutable, hashable, ordered by its bytes."""

    __slots__ = ("_bytes", "_hash")

    _bytes: bytes
    _hash: int

    def __init__(self, authority: int, *sub_authorities: int) -> None:
        """Build S-1-`authority`-...; ValueError if a part is out of range."""
        if not 0 <= authority < 1 << 48 or len(sub_authorities) > _MAX_SUB_AUTHORITIES:
            msg = "SID authority or number of sub-authorities out of range"
            raise ValueError(msg)
        if not all(0 <= sub < 1 << 32 for sub in sub_authorities):
            msg = "SID sub-authority out of range"
            raise ValueError(msg)
        count = len(sub_authorities)
        head = bytes((_REVISION, count)) + authority.to_bytes(6, "big")
        _fill(self, head + _SUBS[count].pack(*sub_authorities))

    def __setattr__(self, name: str, value: object) -> None:
        msg = f"a Sid is immutable ({name})"
        raise AttributeError(msg)

    def __reduce__(self) -> tuple[object, ...]:
        return (Sid, (self.authority, *self.sub_authorities))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Sid) and self._bytes == other._bytes

    def __lt__(self, other: Sid) -> bool:
        return self._bytes < other._bytes

    def __str__(self) -> str:
        authority = self.authority
        head = f"{authority:#014x}" if authority >= 1 << 32 else str(authority)
        return "-".join(("S-1", head, *map(str, self.sub_authorities)))

    def __repr__(self) -> str:
        return f"Sid({self})"

    @classmethod
    def parse(cls, text: str) -> Sid:
        """Parse "S-1-5-21-..."; the authority may be hexadecimal.  [MS-DTYP 2.4.2.1]

        Raises ValueError if `text` is not a SID.
        """
        parts = text.strip().split("-")
        if len(parts) < _MIN_TEXT_PARTS or parts[0] not in ("S", "s") or parts[1] != "1":
            msg = f"not a SID: {text!r}"
            raise ValueError(msg)
        try:
            hexadecimal = parts[2][:2] in ("0x", "0X")
            if not (parts[2].isalnum() and all(p.isdecimal() and p.isascii() for p in parts[3:])):
                raise ValueError
            authority = int(parts[2], 16 if hexadecimal else 10)
            return cls(authority, *map(int, parts[3:]))
        except ValueError:
            msg = f"not a SID: {text!r}"
            raise ValueError(msg) from None

    @classmethod
    def decode(cls, data: Buffer, offset: int = 0) -> Sid:
        """Decode the SID at `offset`; bytes behind it are left alone. Raises WireError."""
        if offset < 0 or len(data) - offset < _HEADER_SIZE:
            msg = "SID cut off"
            raise WireError(msg)
        count = data[offset + 1]
        if data[offset] != _REVISION or count > _MAX_SUB_AUTHORITIES:
            msg = f"SID revision {data[offset]} with {count} sub-authorities"
            raise WireError(msg)
        size = _HEADER_SIZE + 4 * count
        if len(data) - offset < size:
            msg = "SID sub-authorities cut off"
            raise WireError(msg)
        sid = cls.__new__(cls)
        _fill(sid, bytes(data[offset : offset + size]))
        return sid

    def encode(self) -> bytes:
        """Return the wire form."""
        return self._bytes

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self._bytes)

    @property
    def authority(self) -> int:
        """The 48-bit identifier authority."""
        return int.from_bytes(self._bytes[2:8], "big")

    @property
    def sub_authorities(self) -> tuple[int, ...]:
        """The sub-authorities, most significant first."""
        return _SUBS[self._bytes[1]].unpack_from(self._bytes, _HEADER_SIZE)

    @property
    def rid(self) -> int:
        """The last sub-authority, the relative id; ValueError if there is none."""
        if not self._bytes[1]:
            msg = f"{self} has no relative id"
            raise ValueError(msg)
        return self.sub_authorities[-1]

    @property
    def domain(self) -> Sid:
        """The SID without its relative id; ValueError if there is none."""
        if not self._bytes[1]:
            msg = f"{self} has no domain"
            raise ValueError(msg)
        return Sid(self.authority, *self.sub_authorities[:-1])

    def child(self, rid: int) -> Sid:
        """Return this SID with `rid` appended; ValueError if it is full."""
        return Sid(self.authority, *self.sub_authorities, rid)

    def is_in(self, domain: Sid) -> bool:
        """Say whether this is `domain` with exactly one relative id appended."""
        own = self._bytes
        return own[1] == domain._bytes[1] + 1 and own[2:-4] == domain._bytes[2:]


def _fill(sid: Sid, data: bytes) -> None:
    object.__setattr__(sid, "_bytes", data)
    object.__setattr__(sid, "_hash", hash(data))


# Well-known SIDs  [MS-DTYP 2.4.2.4].
NULL: Final = Sid(0, 0)
EVERYONE: Final = Sid(1, 0)
LOCAL: Final = Sid(2, 0)
CONSOLE_LOGON: Final = Sid(2, 1)
CREATOR_OWNER: Final = Sid(3, 0)
CREATOR_GROUP: Final = Sid(3, 1)
OWNER_RIGHTS: Final = Sid(3, 4)
DIALUP: Final = Sid(5, 1)
NETWORK: Final = Sid(5, 2)
BATCH: Final = Sid(5, 3)
INTERACTIVE: Final = Sid(5, 4)
SERVICE: Final = Sid(5, 6)
ANONYMOUS: Final = Sid(5, 7)
ENTERPRISE_DOMAIN_CONTROLLERS: Final = Sid(5, 9)
PRINCIPAL_SELF: Final = Sid(5, 10)
AUTHENTICATED_USERS: Final = Sid(5, 11)
RESTRICTED_CODE: Final = Sid(5, 12)
REMOTE_INTERACTIVE_LOGON: Final = Sid(5, 14)
THIS_ORGANIZATION: Final = Sid(5, 15)
SYSTEM: Final = Sid(5, 18)
LOCAL_SERVICE: Final = Sid(5, 19)
NETWORK_SERVICE: Final = Sid(5, 20)
BUILTIN: Final = Sid(5, 32)
ADMINISTRATORS: Final = Sid(5, 32, 544)
USERS: Final = Sid(5, 32, 545)
GUESTS: Final = Sid(5, 32, 546)
POWER_USERS: Final = Sid(5, 32, 547)
ACCOUNT_OPERATORS: Final = Sid(5, 32, 548)
SERVER_OPERATORS: Final = Sid(5, 32, 549)
PRINT_OPERATORS: Final = Sid(5, 32, 550)
BACKUP_OPERATORS: Final = Sid(5, 32, 551)
REPLICATORS: Final = Sid(5, 32, 552)
REMOTE_DESKTOP_USERS: Final = Sid(5, 32, 555)
NETWORK_CONFIGURATION_OPERATORS: Final = Sid(5, 32, 556)
NTLM_AUTHENTICATION: Final = Sid(5, 64, 10)
SCHANNEL_AUTHENTICATION: Final = Sid(5, 64, 14)
DIGEST_AUTHENTICATION: Final = Sid(5, 64, 21)
NFS_USERS: Final = Sid(5, 88, 1)
NFS_GROUPS: Final = Sid(5, 88, 2)
NFS_MODE: Final = Sid(5, 88, 3)
UNIX_USERS: Final = Sid(22, 1)
UNIX_GROUPS: Final = Sid(22, 2)
LOW_INTEGRITY: Final = Sid(16, 4096)
MEDIUM_INTEGRITY: Final = Sid(16, 8192)
HIGH_INTEGRITY: Final = Sid(16, 12288)
SYSTEM_INTEGRITY: Final = Sid(16, 16384)

# Relative ids in a machine's or domain's own SID space.
RID_ADMINISTRATOR: Final = 500
RID_GUEST: Final = 501
RID_DOMAIN_ADMINS: Final = 512
RID_DOMAIN_USERS: Final = 513
RID_DOMAIN_GUESTS: Final = 514
