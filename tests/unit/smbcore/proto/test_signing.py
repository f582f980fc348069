from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smbcore.proto.keys import SIGNING_AES_CMAC, SIGNING_AES_GMAC, SIGNING_HMAC_SHA256
from smbcore.proto.signing import Signer
from smbcore.wire.header import CANCEL, ECHO, FLAG_SIGNED, Header

KEY = bytes(range(16))
ALGORITHMS = (SIGNING_HMAC_SHA256, SIGNING_AES_CMAC, SIGNING_AES_GMAC)


def message(command=ECHO, message_id=7, body=b"body of the message", signature=bytes(16)):
    return bytearray(Header(command=command, message_id=message_id, signature=signature).encode() + body)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("is_server", [False, True])
@pytest.mark.parametrize("size", [0, 1, 100, 70_000])
def test_signed_message_verifies_and_says_so(algorithm, is_server, size):
    signed = message(body=bytes(size))
    Signer(algorithm, KEY).sign(signed, is_server=is_server)
    assert Header.decode(signed).flags & FLAG_SIGNED
    assert Signer(algorithm, KEY).verify(memoryview(signed), from_server=is_server)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_changed_byte_is_noticed(algorithm):
    signer, signed = Signer(algorithm, KEY), message()
    signer.sign(signed, is_server=False)
    for index in range(len(signed)):
        signed[index] ^= 0x10
        assert not signer.verify(memoryview(signed), from_server=False), index
        signed[index] ^= 0x10
    assert signer.verify(memoryview(signed), from_server=False)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_key_does_not_verify(algorithm):
    signed = message()
    Signer(algorithm, KEY).sign(signed, is_server=False)
    assert not Signer(algorithm, bytes(16)).verify(memoryview(signed), from_server=False)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_stood_in_the_signature_field_does_not_matter(algorithm):
    clean, dirty = message(), message(signature=b"\xee" * 16)
    signer = Signer(algorithm, KEY)
    signer.sign(clean, is_server=True)
    signer.sign(dirty, is_server=True)
    assert clean == dirty


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [5, 40_000])
def test_payload_apart_is_signed_as_if_it_followed(algorithm, size):
    whole, head, payload = message(body=b"head" + b"p" * size), message(body=b"head"), memoryview(b"p" * size)
    signer = Signer(algorithm, KEY)
    signer.sign(whole, is_server=True)
    signer.sign(head, is_server=True, payload=payload)
    assert whole[:68] == head


@pytest.mark.parametrize("is_server, command, tail", [
    (False, ECHO, 0), (True, ECHO, 1), (False, CANCEL, 2), (True, CANCEL, 3),
])  # fmt: skip
def test_gmac_nonce_is_message_id_role_and_cancel(is_server, command, tail):
    """[MS-SMB2 3.1.4.1]"""
    signed = message(command=command, message_id=0x1122334455667788)
    Signer(SIGNING_AES_GMAC, KEY).sign(signed, is_server=is_server)
    nonce = (0x1122334455667788).to_bytes(8, "little") + tail.to_bytes(4, "little")
    plain = bytearray(signed)
    plain[48:64] = bytes(16)
    assert bytes(signed[48:64]) == AESGCM(KEY).encrypt(nonce, b"", bytes(plain))


def test_hmac_is_the_first_half_of_sha256():
    signed = message()
    Signer(SIGNING_HMAC_SHA256, KEY).sign(signed, is_server=False)
    plain = bytearray(signed)
    plain[48:64] = bytes(16)
    assert bytes(signed[48:64]) == hmac.new(KEY, plain, hashlib.sha256).digest()[:16]
