"""Names between the client (UTF-16, what NT allows) and the store (bytes, what POSIX allows), both ways without loss.

    store                                   client
    valid UTF-8, allowed by NT              the same
    `: * ? < > | "` backslash, 0x01-0x1F    U+F000 + the byte, as other servers do
    `.` or space at the end                 U+F02E, U+F020, which the usual client can open
    U+F02E, U+F020 at the end               `.` or space, which NT allows though the usual client cannot ask for it
    bytes that are not UTF-8                U+F080-U+F0FF, one per byte
    UTF-8 that would read as one of these   U+F0xx per byte, so that each name has one reading
    a lone surrogate in WTF-8               that surrogate

Surrogates are for names that clients made of them only: a listing with one fails as a whole in smbclient and all that
builds on its library, and a byte that some local program wrote must not keep them from the directory.

`encode` refuses a client's name that would read back differently, so a file never has two names.
"""

from __future__ import annotations

import os
import re
import unicodedata

from smbcore.nt.status import NtError, Status

MAX_NAME = 255
"""Bytes of one name in every usual file system."""

STREAM_STORE = ".holdfast-streams"
"""The directory that keeps large named streams; no client sees it."""

_SHORTEST_DISGUISE = 12
"""Characters that the store's name still needs when ligatures spell parts of it."""

_PRIVATE = 0xF000
_MAPPED = frozenset([*range(1, 32), *b':*?<>|"\\'])
_NOT_LAST = (0x20, 0x2E)
_SPECIAL = re.compile(r'[\x00-\x1f"*/:<>?\\|\ud800-\udfff\uf001-\uf0ff]|[. ]\Z')
_HIGH_BYTES = range(0x80, 0x100)
_ESCAPED = range(0xDC80, 0xDD00)
"""What Python's "surrogateescape" makes of bytes that are not UTF-8."""


def encode(name: str) -> bytes:
    """Return the store's name for a client's component.

    Errors: OBJECT_NAME_INVALID for `.`, `..`, "", NUL, a separator, more than 255 bytes, or a second spelling.
    """
    if _SPECIAL.search(name) is None:
        raw = name.encode()
    else:
        raw = _encode_special(name)
        if name in (".", "..") or raw in (b"", b".", b"..") or b"/" in raw or b"\0" in raw or decode(raw) != name:
            raise NtError(Status.OBJECT_NAME_INVALID, f"{name!r}")
    if not 0 < len(raw) <= MAX_NAME:
        raise NtError(Status.OBJECT_NAME_INVALID, f"{len(raw)} bytes: {name!r}")
    return raw


def decode(raw: bytes) -> str:
    """Return the client's name for the store's name; never fails."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _decode_damaged(raw.decode("utf-8", "surrogateescape"))
    return text if _SPECIAL.search(text) is None else _decode_special(text)


def from_listed(name: str) -> str:
    """Return the client's name for a name that `os.listdir` decoded."""
    if name.isascii() and _SPECIAL.search(name) is None:
        return name
    return decode(os.fsencode(name))


def for_lookup(name: str) -> bytes | str:
    """Return what to pass to the kernel for a component; as `encode`, but a plain name stays as it is: its bytes are
    the same, and the hot path of listings is spared a copy.
    """
    return name if name.isascii() and len(name) <= MAX_NAME and _SPECIAL.search(name) is None and name else encode(name)


def is_reserved(name: str) -> bool:
    """Tell whether a client's component names the stream store in any spelling a file system might match."""
    if name.isascii():
        return name.startswith(".") and name.casefold() == STREAM_STORE
    if len(name) < _SHORTEST_DISGUISE:
        return False
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(filter(str.isascii, plain)) == STREAM_STORE


def _encode_special(name: str) -> bytes:
    parts = []
    last = len(name) - 1
    for at, character in enumerate(name):
        code = ord(character)
        if _is_mapped(code - _PRIVATE, at_end=at == last):
            parts.append(bytes((code - _PRIVATE,)))
        elif at == last and code in _NOT_LAST:
            parts.append(chr(_PRIVATE + code).encode())
        else:
            parts.append(character.encode("utf-8", "surrogatepass"))
    return b"".join(parts)


def _decode_special(text: str) -> str:
    last = len(text) - 1
    return "".join(_read(character, at_end=at == last) for at, character in enumerate(text))


def _read(character: str, *, at_end: bool) -> str:
    """Return what the client sees for one character of the store's name."""
    code = ord(character)
    if code in _MAPPED or (at_end and code in _NOT_LAST):
        return chr(_PRIVATE + code)
    if at_end and code - _PRIVATE in _NOT_LAST:
        return chr(code - _PRIVATE)
    if _is_mapped(code - _PRIVATE, at_end=at_end):
        return "".join(chr(_PRIVATE + byte) for byte in character.encode())
    return character


def _is_mapped(code: int, *, at_end: bool) -> bool:
    """Tell whether U+F000 + `code` stands for a byte at this place."""
    return code in _MAPPED or code in _HIGH_BYTES or (at_end and code in _NOT_LAST)


def _decode_damaged(escaped: str) -> str:
    """Decode a name that is not all UTF-8: three bytes that are a surrogate in WTF-8 are one, unless it would be half
    of a pair, which is a character with UTF-8 of its own.
    """
    parts: list[str] = []
    at, last = 0, len(escaped) - 1
    while at <= last:
        surrogate = _wide_surrogate(escaped[at : at + 3])
        if surrogate is not None and not (surrogate >= "\udc00" and parts and "\ud800" <= parts[-1] < "\udc00"):
            parts.append(surrogate)
            at += 3
            continue
        character = escaped[at]
        code = ord(character)
        parts.append(chr(_PRIVATE + code - 0xDC00) if code in _ESCAPED else _read(character, at_end=at == last))
        at += 1
    return "".join(parts)


def _wide_surrogate(escaped: str) -> str | None:
    if len(escaped) < 3 or escaped[0] != "\udced":
        return None
    second, third = ord(escaped[1]) - 0xDC00, ord(escaped[2]) - 0xDC00
    if not (0xA0 <= second <= 0xBF and 0x80 <= third <= 0xBF):
        return None
    return chr(0xD000 | (second & 0x3F) << 6 | third & 0x3F)
