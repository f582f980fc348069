"""A look at the ASN.1 of a token before the library parses it.

The library reads tag numbers, lengths and object identifiers of any size with arithmetic that is quadratic in it: one
token of 64 KiB from a peer that nobody knows yet would hold the event loop for half a second. Real tokens are
small: a dozen elements, identifiers of ten bytes.
"""

from __future__ import annotations

from smbcore.nt.errors import WireError

MAX_ELEMENTS = 128
MAX_DEPTH = 12
MAX_OID = 64

_NTLM = b"NTLMSSP\0"
_SPNEGO = bytes.fromhex("2b0601050502")  # 1.3.6.1.5.5.2
_APPLICATION_0 = 0x60
_CHOICES = (0xA0, 0xA1)  # NegTokenInit, NegTokenResp
_CONSTRUCTED = 0x20
_OID = 0x06


def check_token(token: bytes) -> None:
    """Raise WireError unless the frame of `token` can be parsed cheaply; says nothing about its meaning.

    NTLM messages pass. Of other mechanisms' bare tokens only the outer frame and the identifier are looked at.
    """
    if token.startswith(_NTLM):
        return
    tag, start, end = _header(token, 0, len(token))
    if tag == _APPLICATION_0:
        inner, oid_start, oid_end = _header(token, start, end)
        _check_oid(inner, oid_end - oid_start)
        if token[oid_start:oid_end] != _SPNEGO:
            return
        start = oid_end
    elif tag not in _CHOICES:
        return
    _walk(token, start, end)


def _walk(token: bytes, start: int, end: int) -> None:
    todo = [(start, end, 1)]
    elements = 0
    while todo:
        at, end, depth = todo.pop()
        while at < end:
            elements += 1
            if elements > MAX_ELEMENTS or depth > MAX_DEPTH:
                raise WireError("token has too many elements or is nested too deep")
            tag, at, stop = _header(token, at, end)
            if tag & _CONSTRUCTED:
                todo.append((at, stop, depth + 1))
            elif tag == _OID:
                _check_oid(tag, stop - at)
            at = stop


def _check_oid(tag: int, size: int) -> None:
    if tag != _OID or not 0 < size <= MAX_OID:
        raise WireError("no object identifier of a sensible size")


def _header(token: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, start and end of the content of the element at `at`, which must lie before `end`."""
    if at + 2 > end:
        raise WireError("element is cut")
    tag, length = token[at], token[at + 1]
    start = at + 2
    if tag & 0x1F == 0x1F:
        raise WireError("tag number above 30")
    if length & 0x80:
        size = length & 0x7F
        if not 0 < size <= 4 or start + size > end:
            raise WireError("length is indefinite, too large or cut")
        length = int.from_bytes(token[start : start + size], "big")
        start += size
    if start + length > end:
        raise WireError("element is longer than what encloses it")
    return tag, start, start + length
