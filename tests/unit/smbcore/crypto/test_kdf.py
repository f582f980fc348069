"""SP800-108 against Microsoft's published SMB 3 vectors and against another implementation."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from smbcore.crypto.kdf import sp800_108

DATA = Path(__file__).parents[3] / "data" / "crypto"
TRANSFORM = json.loads((DATA / "transform.json").read_text())
PREAUTH = json.loads((DATA / "preauth_311.json").read_text())


@pytest.mark.parametrize(("context", "key"), [(b"ServerIn \0", "c2s_key"), (b"ServerOut\0", "s2c_key")])
def test_derives_the_cipher_keys_of_3_0(context: bytes, key: str) -> None:
    v = TRANSFORM["smb300"]
    derived = sp800_108(bytes.fromhex(v["session_key"]), b"SMB2AESCCM\0", context, 128)
    assert derived == bytes.fromhex(v[key])


@pytest.mark.parametrize(
    ("label", "key"),
    [(b"SMBC2SCipherKey\0", "c2s_key"), (b"SMBS2CCipherKey\0", "s2c_key")],
)
def test_derives_the_cipher_keys_of_3_1_1(label: bytes, key: str) -> None:
    v = TRANSFORM["smb311"]
    derived = sp800_108(bytes.fromhex(v["session_key"]), label, bytes.fromhex(v["preauth"]), 128)
    assert derived == bytes.fromhex(v[key])


def test_derives_the_signing_key_of_3_1_1() -> None:
    preauth = bytes.fromhex(PREAUTH["chain"][-1]["hash"])
    derived = sp800_108(bytes.fromhex(PREAUTH["session_key"]), b"SMBSigningKey\0", preauth, 128)
    assert derived == bytes.fromhex(PREAUTH["signing_key"])


@pytest.mark.parametrize("bits", [8, 128, 256, 264, 512, 1000])
def test_agrees_with_another_implementation_for_any_length(bits: int) -> None:
    other = KBKDFHMAC(
        algorithm=SHA256(), mode=Mode.CounterMode, length=bits // 8, rlen=4, llen=4,
        location=CounterLocation.BeforeFixed, label=b"label\0", context=b"context", fixed=None,
    )  # fmt: skip
    assert sp800_108(b"k" * 32, b"label\0", b"context", bits) == other.derive(b"k" * 32)


@pytest.mark.parametrize("bits", [0, -8, 12])
def test_refuses_a_length_that_is_no_number_of_bytes(bits: int) -> None:
    with pytest.raises(ValueError, match="cannot derive"):
        sp800_108(b"k", b"", b"", bits)
