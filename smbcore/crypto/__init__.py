"""Cryptography of SMB 3: key derivation, message authentication, authenticated encryption, preauth hash, MD4.

Nothing here knows a message, a dialect or a session: which key signs what is decided in `proto`.
Objects are made once per key and reused; none of them keeps a nonce.
"""
