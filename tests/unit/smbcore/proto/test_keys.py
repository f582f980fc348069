from __future__ import annotations

import json
from pathlib import Path

import pytest

from smbcore.crypto.preauth import PreauthHash
from smbcore.proto.keys import channel_signing_key, derive_keys, signing_base

DATA = Path(__file__).resolve().parents[3] / "data" / "crypto"
PREAUTH = json.loads((DATA / "preauth_311.json").read_text())
TRANSFORM = json.loads((DATA / "transform.json").read_text())
KEY = bytes(range(16))


def test_published_311_signing_key_follows_from_the_chain_of_messages():
    chain = PreauthHash()
    for step in PREAUTH["chain"]:
        chain.update(bytes.fromhex(step["message"]))
        assert chain.value.hex().upper() == step["hash"]
    key = channel_signing_key(0x0311, bytes.fromhex(PREAUTH["session_key"]), chain.value)
    assert key.hex().upper() == PREAUTH["signing_key"]


def test_published_300_cipher_keys():
    vector = TRANSFORM["smb300"]
    keys = derive_keys(0x0300, bytes.fromhex(vector["session_key"]), b"", 1)
    assert keys.c2s.hex().upper() == vector["c2s_key"]
    assert keys.s2c.hex().upper() == vector["s2c_key"]


@pytest.mark.parametrize("dialect", [0x0202, 0x0210])
def test_below_3_the_session_key_itself_signs_and_nothing_encrypts(dialect):
    keys = derive_keys(dialect, KEY, b"", 0)
    assert (keys.signing, keys.c2s, keys.s2c, keys.application) == (KEY, b"", b"", KEY)


def test_302_has_the_keys_of_300():
    assert derive_keys(0x0302, KEY, b"", 1) == derive_keys(0x0300, KEY, b"", 1)


def test_short_session_keys_are_padded_and_long_ones_cut():
    assert signing_base(b"abc") == b"abc" + bytes(13)
    assert signing_base(bytes(32) + b"x") == bytes(16)


def test_every_key_of_a_session_differs():
    keys = derive_keys(0x0311, KEY, bytes(64), 2)
    assert len({keys.signing, keys.c2s, keys.s2c, keys.application}) == 4


def test_256_bit_ciphers_use_the_whole_session_key():
    long_key = KEY + b"more" * 4
    short, long = derive_keys(0x0311, KEY, bytes(64), 4), derive_keys(0x0311, long_key, bytes(64), 4)
    assert len(short.c2s) == len(long.s2c) == 32
    assert short.c2s != long.c2s
    assert short.signing == long.signing
    assert derive_keys(0x0311, long_key, bytes(64), 2) == derive_keys(0x0311, KEY, bytes(64), 2)


def test_preauthentication_hash_changes_every_key():
    one, two = derive_keys(0x0311, KEY, bytes(64), 2), derive_keys(0x0311, KEY, b"\1" * 64, 2)
    assert one.signing != two.signing
    assert one.c2s != two.c2s


def test_keys_are_not_shown():
    assert KEY.hex() not in repr(derive_keys(0x0202, KEY, b"", 0))
    assert "signing" not in repr(derive_keys(0x0311, KEY, bytes(64), 2))
