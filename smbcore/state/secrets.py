"""Random secrets of which only a hash is stored.

The secrets carry 256 bits of randomness, so a plain SHA-256 is enough to make the stored value worthless, and looking
up the hash tells nothing through its timing: an attacker cannot choose the hash of a guess.  The final comparison
is constant-time all the same.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = 32


def new_secret() -> str:
    """Return a fresh secret of 43 URL-safe characters."""
    return secrets.token_urlsafe(_BYTES)


def hash_secret(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_secret(secret: str, stored_hash: str) -> bool:
    """Tell in constant time whether `stored_hash` is that of the secret."""
    return hmac.compare_digest(hash_secret(secret), stored_hash)
