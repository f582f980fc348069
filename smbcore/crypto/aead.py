"""Authenticated encryption for the transform: AES-CCM and AES-GCM  [MS-SMB2 2.2.41, 3.1.4.3].

The 16-byte tag follows the ciphertext here; on the wire it is the Signature field of the transform header,
`proto` moves it. One object per key, kept for the life of the key; the caller owns the nonces.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

from smbcore.crypto.mac import Buffer

__all__ = [
    "AES_128_CCM",
    "AES_128_GCM",
    "AES_256_CCM",
    "AES_256_GCM",
    "TAG_SIZE",
    "Aead",
    "InvalidTag",
    "make_aead",
]

AES_128_CCM = 1
AES_128_GCM = 2
AES_256_CCM = 3
AES_256_GCM = 4
TAG_SIZE = 16

_CIPHERS: dict[int, tuple[str, type[AESCCM | AESGCM], int, int]] = {
    # id: name, class, key bytes, nonce bytes
    AES_128_CCM: ("AES-128-CCM", AESCCM, 16, 11),
    AES_128_GCM: ("AES-128-GCM", AESGCM, 16, 12),
    AES_256_CCM: ("AES-256-CCM", AESCCM, 32, 11),
    AES_256_GCM: ("AES-256-GCM", AESGCM, 32, 12),
}


class Aead:
    """One cipher with one key.

    name        for people, e.g. AES-128-GCM
    nonce_size  bytes of the nonce the cipher takes (11 CCM, 12 GCM); more or fewer is a ValueError
    tag         bytes of the tag behind the ciphertext, 16

    Sources and destinations may be the same memory from the same start (in place), never shifted against each other.
    """

    __slots__ = ("_cipher", "name", "nonce_size", "tag")

    def __init__(self, name: str, cipher: AESCCM | AESGCM, nonce_size: int) -> None:
        self.name = name
        self.nonce_size = nonce_size
        self.tag = TAG_SIZE
        self._cipher = cipher

    def encrypt(self, nonce: bytes, data: Buffer, aad: Buffer) -> bytes:
        """Ciphertext followed by the tag."""
        return self._cipher.encrypt(self._checked(nonce), data, aad)

    def encrypt_into(self, nonce: bytes, data: Buffer, aad: Buffer, out: bytearray | memoryview) -> int:
        """Write ciphertext and tag to `out`, exactly len(data) + 16 bytes long; returns that length."""
        return self._cipher.encrypt_into(self._checked(nonce), data, aad, out)

    def decrypt(self, nonce: bytes, data_with_tag: Buffer, aad: Buffer) -> bytes:
        """The plaintext; raises InvalidTag if anything was changed or there is no room for a tag."""
        return self._cipher.decrypt(self._checked(nonce), data_with_tag, aad)

    def decrypt_into(
        self,
        nonce: bytes,
        data_with_tag: Buffer,
        aad: Buffer,
        out: bytearray | memoryview,
    ) -> int:
        """Write the plaintext to `out`, exactly len(data_with_tag) - 16 bytes long; returns that length.

        Raises InvalidTag; what `out` holds is then without meaning and must not be used.
        """
        return self._cipher.decrypt_into(self._checked(nonce), data_with_tag, aad, out)

    def _checked(self, nonce: bytes) -> bytes:
        # The library takes CCM nonces of 7 to 13 bytes: a wrong slice would be accepted and never decrypt elsewhere.
        if len(nonce) != self.nonce_size:
            raise ValueError(f"{self.name} needs a nonce of {self.nonce_size} bytes, got {len(nonce)}")
        return nonce


def make_aead(cipher_id: int, key: bytes) -> Aead:
    """The cipher that MS-SMB2 2.2.3.1.2 numbers `cipher_id`; ValueError for an unknown id or a key of wrong size."""
    if cipher_id not in _CIPHERS:
        raise ValueError(f"unknown cipher {cipher_id:#06x}")
    name, cipher, key_size, nonce_size = _CIPHERS[cipher_id]
    if len(key) != key_size:
        raise ValueError(f"{name} needs a key of {key_size} bytes, got {len(key)}")
    return Aead(name, cipher(key), nonce_size)
