"""What is kept of a password: the NT hash for SMB and an argon2id hash for the web.

Deriving takes a good part of a second: do it before the transaction begins, in a thread when on an event loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from smbcore.crypto.md4 import nt_hash
from smbcore.state.errors import StateError

SHORTEST = 8
"""Fewest characters of a password."""

LONGEST = 127
"""Most characters of a password: what SMB clients let people type."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Both hashes of one password; sealing the NT hash is the business of `accounts`."""

    nt_hash: bytes = field(repr=False)
    web_hash: str = field(repr=False)


def derive(password: str) -> Credentials:
    """Hash a new password.

    Errors:  StateError  too short or too long
    """
    if len(password) < SHORTEST:
        raise StateError("password", f"The password needs at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise StateError("password", f"The password may have at most {LONGEST} characters.")
    return Credentials(
        nt_hash(password),
        PasswordHasher().hash(password.encode("utf-8", "surrogatepass")),
    )


def verify_web(web_hash: str | None, password: str) -> bool:
    """Tell whether the password is the one that was hashed.

    Without a hash the same time is spent, so that nobody learns which accounts exist.
    """
    hasher = PasswordHasher()
    secret = password.encode("utf-8", "surrogatepass")
    if web_hash is None:
        hasher.hash(secret)
        return False
    try:
        return hasher.verify(web_hash, secret)
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(web_hash: str) -> bool:
    """Tell whether the hash was made with weaker parameters than today's."""
    return PasswordHasher().check_needs_rehash(web_hash)
