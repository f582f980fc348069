"""Session keys for every dialect  [MS-SMB2 3.1.4.2, 3.3.5.5.3, 3.3.1.8]."""

from __future__ import annotations

from dataclasses import dataclass, field

from smbcore.crypto.kdf import sp800_108

DIALECT_202 = 0x0202
DIALECT_210 = 0x0210
DIALECT_300 = 0x0300
DIALECT_302 = 0x0302
DIALECT_311 = 0x0311

CIPHER_AES128_CCM = 1
CIPHER_AES128_GCM = 2
CIPHER_AES256_CCM = 3
CIPHER_AES256_GCM = 4

SIGNING_HMAC_SHA256 = 0
SIGNING_AES_CMAC = 1
SIGNING_AES_GMAC = 2

_LONG_KEY_CIPHERS = (CIPHER_AES256_CCM, CIPHER_AES256_GCM)


@dataclass(slots=True)
class SessionKeys:
    """Keys of one session; `c2s` opens what the client sealed, `s2c` seals what the server sends. Empty below 3.0."""

    signing: bytes = field(repr=False)
    c2s: bytes = field(default=b"", repr=False)
    s2c: bytes = field(default=b"", repr=False)
    application: bytes = field(default=b"", repr=False)


def signing_base(session_key: bytes) -> bytes:
    """Return the 16 bytes from which signing keys derive: the first of the key, or zero-padded."""
    return session_key[:16].ljust(16, b"\0")


def channel_signing_key(dialect: int, session_key: bytes, preauth_hash: bytes) -> bytes:
    """Return the signing key of one channel; `preauth_hash` is that of the channel's own session setup (3.1.1)."""
    base = signing_base(session_key)
    if dialect < DIALECT_300:
        return base
    if dialect < DIALECT_311:
        return sp800_108(base, b"SMB2AESCMAC\0", b"SmbSign\0", 128)
    return sp800_108(base, b"SMBSigningKey\0", preauth_hash, 128)


def derive_keys(dialect: int, session_key: bytes, preauth_hash: bytes, cipher: int) -> SessionKeys:
    """Derive all keys of a session.

    session_key   as the authentication exported it; 256-bit ciphers use all of it, everything else its first 16 bytes
    preauth_hash  64 bytes, of the session setup exchange; used by 3.1.1 only
    """
    signing = channel_signing_key(dialect, session_key, preauth_hash)
    base = signing_base(session_key)
    if dialect < DIALECT_300:
        return SessionKeys(signing, application=base)
    if dialect < DIALECT_311:
        return SessionKeys(
            signing,
            sp800_108(base, b"SMB2AESCCM\0", b"ServerIn \0", 128),
            sp800_108(base, b"SMB2AESCCM\0", b"ServerOut\0", 128),
            sp800_108(base, b"SMB2APP\0", b"SmbRpc\0", 128),
        )
    bits, full = (256, session_key.ljust(16, b"\0")) if cipher in _LONG_KEY_CIPHERS else (128, base)
    return SessionKeys(
        signing,
        sp800_108(full, b"SMBC2SCipherKey\0", preauth_hash, bits),
        sp800_108(full, b"SMBS2CCipherKey\0", preauth_hash, bits),
        sp800_108(base, b"SMBAppKey\0", preauth_hash, 128),
    )
