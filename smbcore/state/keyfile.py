"""The key file: secrets in the database are useless without it.

NT hashes are as good as passwords, so the database holds them sealed with AES-256-GCM under a key that is kept
in a file of its own.  The account's SID is authenticated along, so that a sealed hash cannot be moved to
another account.  A sealed secret is: format (1), key id (4), nonce (12), ciphertext, tag (16).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smbcore.state.errors import KeyFileError

_MAGIC = "holdfast-key-1"
_KEY_SIZE = 32
_FORMAT = b"\x01"
_KEY_ID_SIZE = 4
_NONCE_SIZE = 12
_HEAD_SIZE = len(_FORMAT) + _KEY_ID_SIZE + _NONCE_SIZE


class KeyFile:
    """The key, ready for use; immutable, safe in any thread."""

    __slots__ = ("_aead", "_key_id", "path")

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._aead = AESGCM(key)
        self._key_id = hashlib.sha256(_MAGIC.encode() + key).digest()[:_KEY_ID_SIZE]

    @classmethod
    def create(cls, path: Path) -> Self:
        """Write a new random key to `path`, readable by its owner only, and return it.

        Errors:  KeyFileError  the file exists or cannot be written
        """
        key = AESGCM.generate_key(_KEY_SIZE * 8)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{_MAGIC} {key.hex()}\n")
                file.flush()
                os.fsync(file.fileno())
            _sync_directory(path.parent)
        except OSError as error:
            raise KeyFileError(f"the key file {path} cannot be created: {error.strerror}") from error
        return cls(path, key)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key from `path`.

        Errors:  KeyFileError  missing, damaged, or open to other users
        """
        try:
            with path.open(encoding="ascii") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read(1024)
        except OSError as error:
            raise KeyFileError(f"the key file {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise KeyFileError(f"the key file {path} is damaged") from error
        if mode & 0o077:
            raise KeyFileError(f"the key file {path} must be readable by its owner only (mode 0600)")
        return cls(path, _parse(path, content))

    def encrypt(self, secret: bytes, account_sid: str) -> bytes:
        """Seal a secret for one account."""
        nonce = os.urandom(_NONCE_SIZE)
        return _FORMAT + self._key_id + nonce + self._aead.encrypt(nonce, secret, account_sid.encode())

    def decrypt(self, sealed: bytes, account_sid: str) -> bytes:
        """Open what `encrypt` made for the same account.

        Errors:  KeyFileError  sealed with another key or for another account, or damaged
        """
        if len(sealed) < _HEAD_SIZE or not sealed.startswith(_FORMAT):
            raise KeyFileError(f"the stored secret of {account_sid} is damaged")
        if sealed[1 : 1 + _KEY_ID_SIZE] != self._key_id:
            raise KeyFileError(
                f"the stored secret of {account_sid} was written with another key than the one in {self.path}"
            )
        nonce = sealed[1 + _KEY_ID_SIZE : _HEAD_SIZE]
        try:
            return self._aead.decrypt(nonce, sealed[_HEAD_SIZE:], account_sid.encode())
        except InvalidTag as error:
            raise KeyFileError(
                f"the stored secret of {account_sid} is damaged or belongs to another account"
            ) from error


def _parse(path: Path, content: str) -> bytes:
    magic, _, text = content.strip().partition(" ")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if magic != _MAGIC or len(key) != _KEY_SIZE:
        raise KeyFileError(f"the key file {path} is damaged")
    return key


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
