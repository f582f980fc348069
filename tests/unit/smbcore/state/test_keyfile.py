from __future__ import annotations

import pytest

from smbcore.state.errors import KeyFileError
from smbcore.state.keyfile import KeyFile

SID = "S-1-5-21-1-2-3-1000"


@pytest.fixture
def keyfile(tmp_path):
    return KeyFile.create(tmp_path / "secret.key")


def test_a_new_key_file_belongs_to_its_owner_only(keyfile):
    assert keyfile.path.stat().st_mode & 0o777 == 0o600


def test_an_existing_key_file_is_never_overwritten(keyfile):
    with pytest.raises(KeyFileError, match="cannot be created"):
        KeyFile.create(keyfile.path)


def test_a_sealed_secret_opens_with_the_loaded_key(keyfile):
    sealed = keyfile.encrypt(b"0123456789abcdef", SID)
    assert b"0123456789abcdef" not in sealed
    assert KeyFile.load(keyfile.path).decrypt(sealed, SID) == b"0123456789abcdef"


def test_sealing_twice_gives_different_bytes(keyfile):
    assert keyfile.encrypt(b"x" * 16, SID) != keyfile.encrypt(b"x" * 16, SID)


def test_another_key_is_named_as_the_reason(keyfile, tmp_path):
    other = KeyFile.create(tmp_path / "other.key")
    with pytest.raises(KeyFileError, match="written with another key"):
        other.decrypt(keyfile.encrypt(b"x" * 16, SID), SID)


def test_a_secret_cannot_be_moved_to_another_account(keyfile):
    with pytest.raises(KeyFileError, match="belongs to another account"):
        keyfile.decrypt(keyfile.encrypt(b"x" * 16, SID), SID + "1")


def test_every_truncation_and_flipped_bit_is_an_error(keyfile):
    sealed = keyfile.encrypt(b"x" * 16, SID)
    for length in range(len(sealed)):
        with pytest.raises(KeyFileError):
            keyfile.decrypt(sealed[:length], SID)
    for index in range(len(sealed)):
        with pytest.raises(KeyFileError):
            keyfile.decrypt(sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :], SID)


def test_a_key_open_to_others_is_refused(keyfile):
    keyfile.path.chmod(0o640)
    with pytest.raises(KeyFileError, match="0600"):
        KeyFile.load(keyfile.path)


@pytest.mark.parametrize("content", [b"", b"holdfast-key-1 abcd\n", b"\xff\xfe", b"holdfast-key-2 " + b"00" * 32])
def test_a_damaged_key_file_is_refused(tmp_path, content):
    path = tmp_path / "k"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="damaged"):
        KeyFile.load(path)


def test_a_missing_key_file_is_named(tmp_path):
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyFile.load(tmp_path / "nowhere")
