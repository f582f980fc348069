"""Random secrets and the digests that are stored of them.

Codes, cookies and tokens carry 256 random bits, so a plain SHA-256 is enough to store: there is nothing to guess.
Passwords are another matter, see `appliance.security.passwords`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = 32


def new_secret() -> str:
    """Return a new random secret in URL-safe letters."""
    return secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def equal(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
