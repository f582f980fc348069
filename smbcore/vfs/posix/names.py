"""Names between the client (UTF-16, what NT allows) and the store (bytes, what POSIX allows), both ways without loss.

    store                                   client
    valid UTF-8, allowed by NT              the same
    `: * ? < > | "` backslash, 0x01-0x1F    U+F000 + the byte, as other servers do
    `.` or space at the end                 U+F02E, U+F020, which the usual client can open
    U+F02E, U+F020 at the end               `.` or space, which NT allows though the usual client cannot ask for it
    bytes that are not UTF-8                U+DC80-U+DCFF, one per byte
    UTF-8 that would read as one of these   U+DCxx per byte, so that each name has one reading
    a lone surrogate in WTF-8               that surrogate (not U+DC80-U+DCFF)

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
_BYTE_ESCAPES = range(0xDC80, 0xDD00)


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
        text = raw.decode("utf-8", "surrogateescape")
        text = _join_surrogates(text)
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
        if code in _BYTE_ESCAPES:
            parts.append(bytes((code - 0xDC00,)))
        elif _is_mapped(code - _PRIVATE, at_end=at == last):
            parts.append(bytes((code - _PRIVATE,)))
        elif at == last and code in _NOT_LAST:
            parts.append(chr(_PRIVATE + code).encode())
        else:
            parts.append(character.encode("utf-8", "surrogatepass"))
    return b"".join(parts)


def _decode_special(text: str) -> str:
    parts = []
    last = len(text) - 1
    for at, character in enumerate(text):
        code = ord(character)
        if _is_mapped(code, at_end=at == last):
            parts.append(chr(_PRIVATE + code))
        elif at == last and code - _PRIVATE in _NOT_LAST:
            parts.append(chr(code - _PRIVATE))
        elif _is_mapped(code - _PRIVATE, at_end=at == last):
            parts.extend(chr(0xDC00 + byte) for byte in character.encode())
        else:
            parts.append(character)
    return "".join(parts)


def _is_mapped(code: int, *, at_end: bool) -> bool:
    """Tell whether the store's character `code` is one that NT forbids at this place."""
    return code in _MAPPED or (at_end and code in _NOT_LAST)


def _join_surrogates(text: str) -> str:
    """Turn three escaped bytes that are a surrogate in WTF-8 into it, unless it would look like an escaped byte."""
    parts = []
    at = 0
    while at < len(text):
        code = _wide_surrogate(text[at : at + 3])
        parts.append(text[at] if code is None else chr(code))
        at += 1 if code is None else 3
    return "".join(parts)


def _wide_surrogate(escaped: str) -> int | None:
    if len(escaped) < 3 or escaped[0] != "\udced":
        return None
    second, third = ord(escaped[1]) - 0xDC00, ord(escaped[2]) - 0xDC00
    if not (0xA0 <= second <= 0xBF and 0x80 <= third <= 0xBF):
        return None
    code = 0xD000 | (second & 0x3F) << 6 | third & 0x3F
    return None if code in _BYTE_ESCAPES else code
