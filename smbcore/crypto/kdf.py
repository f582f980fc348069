"""Key derivation in counter mode, SP800-108 5.1, as MS-SMB2 3.1.4.2 uses it."""

from __future__ import annotations

import hmac

_BLOCK_BITS = 256  # one HMAC-SHA256 output


def sp800_108(key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """Derive `bits` of key material from `key`  [SP800-108 5.1, MS-SMB2 3.1.4.2].

    PRF HMAC-SHA256, r = 32 (counter before the fixed part), L as 32 bits big-endian. `label` and `context` go in as
    they are: the NUL that ends the SMB labels is part of `label`; the zero byte between both is added here.

    Raises ValueError unless `bits` is a positive multiple of 8.
    """
    if bits <= 0 or bits % 8:
        raise ValueError(f"cannot derive {bits} bits")
    fixed = label + b"\0" + context + bits.to_bytes(4, "big")
    rounds = -(-bits // _BLOCK_BITS)
    blocks = (hmac.digest(key, i.to_bytes(4, "big") + fixed, "sha256") for i in range(1, rounds + 1))
    return b"".join(blocks)[: bits // 8]
