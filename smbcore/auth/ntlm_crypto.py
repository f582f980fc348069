"""The computations of NTLMv2 that both sides share  [MS-NLMP 3.3.2, 3.4.5]."""

from __future__ import annotations

import hmac
from struct import Struct

from spnego._ntlm_raw.crypto import rc4k
from spnego._ntlm_raw.messages import AvId, NegotiateFlags

from smbcore.nt.errors import WireError

PROOF_SIZE = 16
KEY_SIZE = 16
CLIENT_CHALLENGE_SIZE = 28
"""The fixed part of NTLMv2_CLIENT_CHALLENGE, before its AV pairs  [MS-NLMP 2.2.2.7]."""

_AV_HEADER = Struct("<HH")


def md5_mac(key: bytes, data: bytes) -> bytes:
    """HMAC-MD5."""
    return hmac.digest(key, data, "md5")


def ntowfv2(nt_hash: bytes, user: str, domain: str) -> bytes:
    """NTOWFv2: the key that stands for one user in one domain  [MS-NLMP 3.3.2].

    Upper case is one character for one character, as Windows and Samba have it: str.upper() alone would turn one
    letter into two (sharp s) and refuse the right password.
    """
    upper = "".join(c.upper() if len(c.upper()) == 1 else c for c in user)
    return md5_mac(nt_hash, (upper + domain).encode("utf-16-le", "surrogatepass"))


def av_pairs(data: bytes) -> dict[int, bytes]:
    """Split a list of AV_PAIRs up to MsvAvEOL; what follows that is padding  [MS-NLMP 2.2.2.1].

    Raises WireError if it ends before MsvAvEOL or names an id twice.
    """
    pairs: dict[int, bytes] = {}
    at = 0
    while True:
        if at + _AV_HEADER.size > len(data):
            raise WireError("AV pairs without end")
        av_id, length = _AV_HEADER.unpack_from(data, at)
        at += _AV_HEADER.size
        if av_id == AvId.eol:
            return pairs
        if at + length > len(data) or av_id in pairs:
            raise WireError(f"AV pair {av_id} is cut or repeated")
        pairs[av_id] = data[at : at + length]
        at += length


def uses_key_exchange(flags: int) -> bool:
    """Whether the session key travels encrypted: only if there is something to protect  [MS-NLMP 3.1.5.1.2]."""
    return bool(flags & NegotiateFlags.key_exch and flags & (NegotiateFlags.sign | NegotiateFlags.seal))


def exported_session_key(flags: int, key_exchange_key: bytes, encrypted: bytes | None) -> bytes:
    """ExportedSessionKey as the server computes it  [MS-NLMP 3.2.5.1.2].

    Raises WireError if a key should have come and is not 16 bytes.
    """
    if not uses_key_exchange(flags):
        return key_exchange_key
    if encrypted is None or len(encrypted) != KEY_SIZE:
        raise WireError("encrypted session key is not 16 bytes")
    return rc4k(key_exchange_key, encrypted)
