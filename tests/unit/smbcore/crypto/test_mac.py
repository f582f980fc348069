"""Signing codes against RFC 4493, RFC 4231, the GCM specification and NIST's GMAC vectors."""

import hashlib
import hmac
import itertools
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from smbcore.crypto.mac import AesCmac, AesGmac, Buffer, HmacSha256, Mac

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
NONCE = bytes(range(12))
RFC_4493 = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
CHUNK = 32 * 1024
SIZES = [
    8192, 8193, 8207, 8208, 8209, 9000, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 16, 3 * CHUNK, 3 * CHUNK + 5, 1 << 20,
]  # fmt: skip


def pattern(size: int) -> bytes:
    return hashlib.shake_128(b"pattern").digest(size)


def reference_cmac(data: bytes) -> bytes:
    code = CMAC(AES(KEY))
    code.update(data)
    return code.finalize()


@pytest.mark.parametrize(
    ("length", "code"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_gives_the_codes_of_rfc_4493(length: int, code: str) -> None:
    assert AesCmac(KEY).sign([RFC_4493[:length]]).hex() == code


@pytest.mark.parametrize(
    ("length", "code"),
    [
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
    ],
)
def test_cmac_of_the_large_path_gives_the_codes_of_rfc_4493(length: int, code: str) -> None:
    assert AesCmac(KEY)._sign_large([RFC_4493[:length]], length).hex() == code


@pytest.mark.parametrize("size", SIZES)
def test_cmac_is_the_same_above_the_limit(size: int) -> None:
    assert AesCmac(KEY).sign([pattern(size)]) == reference_cmac(pattern(size))


@pytest.mark.parametrize("size", [8193, 8208, 8209, CHUNK + 7, 2 * CHUNK + 16])
@pytest.mark.parametrize(
    "cuts",
    [
        (64,),
        (1,),
        (0,),
        (-1,),
        (-16,),
        (-17,),
        (5, 70),
        (64, -3),
        (64, -16, -15),
        (-5, -2, -1),
    ],
)
def test_cmac_does_not_depend_on_where_a_large_message_is_cut(size: int, cuts: tuple[int, ...]) -> None:
    data = pattern(size)
    ends = [cut % size for cut in cuts] + [size]
    parts: list[Buffer] = [data[a:b] for a, b in itertools.pairwise([0, *ends])]
    parts[0] = memoryview(bytearray(parts[0]))
    assert AesCmac(KEY).sign(parts) == reference_cmac(data)


def test_cmac_takes_any_buffer_below_the_limit_too() -> None:
    parts: list[Buffer] = [
        memoryview(RFC_4493)[:10],
        bytearray(RFC_4493[10:20]),
        RFC_4493[20:40],
    ]
    assert AesCmac(KEY).sign(parts).hex() == "dfa66747de9ae63030ca32611497c827"


def test_cmac_key_is_usable_many_times_on_both_paths() -> None:
    key = AesCmac(KEY)
    for size in (100, 9000, 100, 40000, 9000):
        assert key.sign([pattern(size)]) == reference_cmac(pattern(size))


def test_hmac_is_cut_to_16_bytes() -> None:
    """RFC 4231 case 2."""
    code = HmacSha256(b"Jefe").sign([b"what do ya want ", b"for nothing?"])
    assert code.hex() == "5bdcc146bf60754e6a042426089575c7"


def test_hmac_key_is_usable_many_times() -> None:
    key = HmacSha256(KEY)
    expected = hmac.digest(KEY, b"message", "sha256")[:16]
    assert [key.sign([b"message"]) for _ in range(3)] == [expected] * 3


def test_gmac_of_nothing_is_the_first_case_of_the_gcm_specification() -> None:
    assert AesGmac(bytes(16)).sign([b""], bytes(12)).hex() == "58e2fccefa7e3061367f1d57a4e7455a"


def test_gmac_gives_the_code_of_nists_vector() -> None:
    key = AesGmac(bytes.fromhex("77be63708971c4e240d1cb79e8d77feb"))
    data = bytes.fromhex("7a43ec1d9c0a5a78a0b16533a6213cab")
    code = key.sign([data[:5], data[5:]], bytes.fromhex("e0e00f19fed7ba0136a797f3"))
    assert code.hex() == "209fcc8d3675ed938e9c7166709dd946"


@pytest.mark.parametrize("size", [100, 16 * 1024, 16 * 1024 + 1, 100_001])
def test_gmac_does_not_depend_on_where_the_message_is_cut(size: int) -> None:
    data = pattern(size)
    expected = AESGCM(KEY).encrypt(NONCE, b"", data)
    key = AesGmac(KEY)
    assert key.sign([data], NONCE) == expected
    assert key.sign([memoryview(data)[:64], bytearray(data[64:])], NONCE) == expected


@pytest.mark.parametrize("make", [HmacSha256, AesCmac, AesGmac])
def test_every_code_depends_on_every_part_and_is_16_bytes(
    make: Callable[[bytes], Mac],
) -> None:
    key = make(KEY)
    code = key.sign([b"header", b"body"], NONCE)
    assert len(code) == 16
    assert code == key.sign([b"headerbody"], NONCE)
    assert code not in (
        key.sign([b"header", b"bodx"], NONCE),
        key.sign([b"heades", b"body"], NONCE),
    )
