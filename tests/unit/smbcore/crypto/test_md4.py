"""MD4 against RFC 1320 A.5; the NT hash against MS-NLMP 4.2.2.1.2."""

import pytest

from smbcore.crypto.md4 import md4, nt_hash


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("a", "bde52cb31de33e46245e05fbdbd6fb24"),
        ("abc", "a448017aaf21d8525fc10ae87aa6729d"),
        ("message digest", "d9130a8164549fe818874806e1c7014b"),
        ("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "043f8582f241db351ce627e153e7f0e4",
        ),
        ("1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_gives_the_digests_of_rfc_1320(data: str, digest: str) -> None:
    assert md4(data.encode()).hex() == digest


def test_gives_the_nt_hash_of_the_ntlm_specification() -> None:
    assert nt_hash("Password").hex() == "a4f49c406510bdcab6824ee7c30fd852"


def test_hashes_passwords_beyond_the_basic_plane_and_lone_surrogates() -> None:
    assert nt_hash("\U0001f511") == md4(bytes.fromhex("3dd811dd"))
    assert nt_hash("\ud83d") == md4(bytes.fromhex("3dd8"))


@pytest.mark.parametrize("size", [55, 56, 63, 64, 65, 119, 120, 128])
def test_pads_every_length_to_whole_blocks(size: int) -> None:
    assert len(md4(bytes(size))) == 16
    assert md4(bytes(size)) != md4(bytes(size + 1))
