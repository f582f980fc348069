"""Extended attributes  [MS-FSCC 2.4]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

from smbcore.nt.errors import WireError
from smbcore.nt.info.buffers import Buffer, cut, join_aligned, next_entry, unpack

_FULL = Struct("<IBBH")  # NextEntryOffset, Flags, EaNameLength, EaValueLength
_GET = Struct("<IB")  # NextEntryOffset, EaNameLength

FILE_NEED_EA = 0x80

_ILLEGAL = frozenset(b'"*+,/:;<=>?[\\]|') | frozenset(range(0x20))


@dataclass(slots=True)
class ExtendedAttribute:
    """One attribute.

    name   ASCII, without the terminating NUL; compared without regard to case
    value  up to 64 KiB; setting an empty one removes the attribute
    flags  0 or FILE_NEED_EA
    """

    name: bytes
    value: bytes
    flags: int = 0


def is_legal_name(name: bytes) -> bool:
    """Say whether an EA may have this name (else INVALID_EA_NAME)  [MS-FSCC 2.4]."""
    return 0 < len(name) <= 0xFF and _ILLEGAL.isdisjoint(name)


def size_of(attributes: Iterable[ExtendedAttribute]) -> int:
    """Return what FileEaInformation reports: 0 for none, else 4 plus each one's OS/2 size."""
    total = sum(5 + len(attribute.name) + len(attribute.value) for attribute in attributes)
    return total + 4 if total else 0


def encode_attribute(attribute: ExtendedAttribute) -> bytes:
    """Encode one attribute with NextEntryOffset 0, unpadded."""
    head = _FULL.pack(0, attribute.flags, len(attribute.name), len(attribute.value))
    return head + attribute.name + b"\0" + attribute.value


def encode_attributes(attributes: Iterable[ExtendedAttribute]) -> bytes:
    """Encode FileFullEaInformation; entries begin at multiples of 4."""
    return join_aligned([encode_attribute(attribute) for attribute in attributes], 4)


def decode_attributes(data: Buffer) -> list[ExtendedAttribute]:
    """Decode FileFullEaInformation. Raises WireError (EA_LIST_INCONSISTENT in a set)."""
    attributes: list[ExtendedAttribute] = []
    offset = 0 if len(data) else -1
    while offset >= 0:
        step, flags, name_length, value_length = unpack(_FULL, data, offset)
        name = _name(data, offset + _FULL.size, name_length)
        value = cut(data, offset + _FULL.size + name_length + 1, value_length)
        attributes.append(ExtendedAttribute(name, value, flags))
        offset = _next(data, offset, step, _FULL.size + name_length + 1 + value_length)
    return attributes


def encode_names(names: Iterable[bytes]) -> bytes:
    """Encode the list of names that a query asks for (FILE_GET_EA_INFORMATION)."""
    return join_aligned([_GET.pack(0, len(name)) + name + b"\0" for name in names], 4)


def decode_names(data: Buffer) -> list[bytes]:
    """Decode FILE_GET_EA_INFORMATION. Raises WireError (EA_LIST_INCONSISTENT)."""
    names: list[bytes] = []
    offset = 0 if len(data) else -1
    while offset >= 0:
        step, length = unpack(_GET, data, offset)
        names.append(_name(data, offset + _GET.size, length))
        offset = _next(data, offset, step, _GET.size + length + 1)
    return names


def _name(data: Buffer, offset: int, length: int) -> bytes:
    """Return a name, which a NUL has to follow."""
    name = cut(data, offset, length + 1)
    if name[-1]:
        msg = "EA name without its NUL"
        raise WireError(msg)
    return name[:-1]


def _next(data: Buffer, offset: int, step: int, minimum: int) -> int:
    """Like `next_entry`, for entries that must begin at multiples of 4."""
    if step % 4:
        msg = f"EA entry not aligned: {step}"
        raise WireError(msg)
    return next_entry(data, offset, step, minimum)
