"""AEAD against Microsoft's SMB 3 frames, the GCM specification, and an independent CCM after RFC 3610."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from smbcore.crypto.aead import (
    AES_128_CCM,
    AES_128_GCM,
    AES_256_CCM,
    AES_256_GCM,
    InvalidTag,
    make_aead,
)

VECTORS = json.loads((Path(__file__).parents[3] / "data" / "crypto" / "transform.json").read_text())
KEY_SIZE = {AES_128_CCM: 16, AES_128_GCM: 16, AES_256_CCM: 32, AES_256_GCM: 32}
ALL = sorted(KEY_SIZE)


def reference_ccm(key: bytes, nonce: bytes, plain: bytes, aad: bytes, tag_size: int) -> bytes:
    """RFC 3610 section 2, block by block."""
    block = Cipher(AES(key), ECB()).encryptor().update
    size_field = 15 - len(nonce)

    def xor(a: bytes, b: bytes) -> bytes:
        return bytes(x ^ y for x, y in zip(a, b, strict=False))

    def counter(i: int) -> bytes:
        return block(bytes([size_field - 1]) + nonce + i.to_bytes(size_field, "big"))

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 16)

    flags = 64 * bool(aad) + 8 * ((tag_size - 2) // 2) + size_field - 1
    todo = bytes([flags]) + nonce + len(plain).to_bytes(size_field, "big")
    todo += padded(len(aad).to_bytes(2, "big") + aad) if aad else b""
    todo += padded(plain)
    x = bytes(16)
    for i in range(0, len(todo), 16):
        x = block(xor(x, todo[i : i + 16]))
    cipher = b"".join(xor(plain[i : i + 16], counter(i // 16 + 1)) for i in range(0, len(plain), 16))
    return cipher + xor(x, counter(0))[:tag_size]


def test_the_reference_gives_packet_vector_1_of_rfc_3610() -> None:
    key, nonce = bytes(range(0xC0, 0xD0)), bytes.fromhex("00000003020100a0a1a2a3a4a5")
    sealed = reference_ccm(key, nonce, bytes(range(8, 31)), bytes(range(8)), 8)
    assert sealed.hex() == "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"


@pytest.mark.parametrize("cipher", [AES_128_CCM, AES_256_CCM])
@pytest.mark.parametrize("size", [0, 1, 16, 17, 100, 65535, 70000])
def test_ccm_agrees_with_the_reference(cipher: int, size: int) -> None:
    key, nonce, aad = bytes(range(KEY_SIZE[cipher])), bytes(range(11)), bytes(range(32))
    plain = (bytes(range(251)) * 280)[:size]
    assert make_aead(cipher, key).encrypt(nonce, plain, aad) == reference_ccm(key, nonce, plain, aad, 16)


@pytest.mark.parametrize(
    ("cipher", "sealed"),
    [
        (
            AES_128_GCM,
            (
                "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05"
                "1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"
            ),
        ),
        (
            AES_256_GCM,
            (
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
                "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
            ),
        ),
    ],
)
def test_gcm_gives_cases_4_and_16_of_the_specification(cipher: int, sealed: str) -> None:
    key = (bytes.fromhex("feffe9928665731c6d6a8f9467308308") * 2)[: KEY_SIZE[cipher]]
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    assert make_aead(cipher, key).encrypt(bytes.fromhex("cafebabefacedbaddecaf888"), plain, aad).hex() == sealed


@pytest.mark.parametrize(("dialect", "cipher"), [("smb300", AES_128_CCM), ("smb311", AES_128_GCM)])
@pytest.mark.parametrize(
    ("frame", "key", "plain"),
    [
        ("request_frame", "c2s_key", "request"),
        ("response_frame", "s2c_key", "response"),
    ],
)
def test_opens_and_makes_microsofts_frames(dialect: str, cipher: int, frame: str, key: str, plain: str) -> None:
    v = VECTORS[dialect]
    data = bytes.fromhex(v[frame])
    tag, aad, sealed = data[4:20], data[20:52], data[52:]
    aead = make_aead(cipher, bytes.fromhex(v[key]))
    nonce = data[20 : 20 + aead.nonce_size]
    assert aead.decrypt(nonce, sealed + tag, aad) == bytes.fromhex(v[plain])
    assert aead.encrypt(nonce, bytes.fromhex(v[plain]), aad) == sealed + tag


@pytest.mark.parametrize("cipher", ALL)
@pytest.mark.parametrize("size", [0, 1, 80, 65536])
def test_works_in_place(cipher: int, size: int) -> None:
    aead = make_aead(cipher, bytes(KEY_SIZE[cipher]))
    nonce, aad, plain = bytes(aead.nonce_size), b"a" * 32, b"p" * size
    frame = bytearray(b"head" + plain + bytes(16) + b"behind")
    room = memoryview(frame)[4 : 4 + size + 16]
    assert aead.encrypt_into(nonce, room[:size], aad, room) == size + 16
    assert room == aead.encrypt(nonce, plain, aad)
    assert aead.decrypt_into(nonce, room, aad, room[:size]) == size
    assert bytes(room[:size]) == plain
    assert frame[:4] == b"head"
    assert frame[-6:] == b"behind"


@pytest.mark.parametrize("cipher", ALL)
def test_any_change_is_an_invalid_tag(cipher: int) -> None:
    aead = make_aead(cipher, bytes(KEY_SIZE[cipher]))
    nonce, aad = bytes(aead.nonce_size), b"a" * 32
    sealed = aead.encrypt(nonce, b"plaintext", aad)
    for i in range(len(sealed)):
        changed = bytearray(sealed)
        changed[i] ^= 1
        with pytest.raises(InvalidTag):
            aead.decrypt(nonce, changed, aad)
        with pytest.raises(InvalidTag):
            aead.decrypt_into(nonce, changed, aad, bytearray(len(sealed) - 16))
    with pytest.raises(InvalidTag):
        aead.decrypt(nonce, sealed, b"b" + aad[1:])


@pytest.mark.parametrize("cipher", ALL)
@pytest.mark.parametrize("size", [0, 1, 15])
def test_too_short_for_a_tag_is_an_invalid_tag(cipher: int, size: int) -> None:
    aead = make_aead(cipher, bytes(KEY_SIZE[cipher]))
    with pytest.raises(InvalidTag):
        aead.decrypt(bytes(aead.nonce_size), bytes(size), b"")


@pytest.mark.parametrize("cipher", ALL)
def test_a_nonce_of_another_size_is_refused(cipher: int) -> None:
    aead = make_aead(cipher, bytes(KEY_SIZE[cipher]))
    for size in (aead.nonce_size - 1, aead.nonce_size + 1, 16):
        with pytest.raises(ValueError, match="nonce"):
            aead.encrypt(bytes(size), b"", b"")


@pytest.mark.parametrize("cipher", [0, 5, 0xFFFF])
def test_an_unknown_cipher_is_refused(cipher: int) -> None:
    with pytest.raises(ValueError, match="unknown cipher"):
        make_aead(cipher, bytes(16))


@pytest.mark.parametrize("cipher", ALL)
def test_a_key_of_another_size_is_refused(cipher: int) -> None:
    for size in {0, 16, 24, 32} - {KEY_SIZE[cipher]}:
        with pytest.raises(ValueError, match="key of"):
            make_aead(cipher, bytes(size))
