from __future__ import annotations

import pytest

from smbcore.state import passwords
from smbcore.state.errors import StateError


def test_the_nt_hash_is_the_documented_one():
    """[MS-NLMP 4.2.2.1.2]: NTOWFv1 of "Password"."""
    assert passwords.nt_hash("Password").hex() == "a4f49c406510bdcab6824ee7c30fd852"


def test_a_password_that_looks_like_a_hash_is_a_password():
    text = "a4f49c406510bdcab6824ee7c30fd852"
    assert passwords.nt_hash(text) != bytes.fromhex(text)


def test_the_web_hash_knows_its_password_only():
    credentials = passwords.derive("correct horse")
    assert credentials.web_hash.startswith("$argon2id$")
    assert passwords.verify_web(credentials.web_hash, "correct horse")
    assert not passwords.verify_web(credentials.web_hash, "correct horsf")
    assert not passwords.needs_rehash(credentials.web_hash)
    assert credentials.web_hash not in repr(credentials)


def test_without_or_with_a_damaged_hash_nobody_gets_in():
    assert not passwords.verify_web(None, "anything at all")
    assert not passwords.verify_web("damaged", "anything at all")


@pytest.mark.parametrize("password", ["", "1234567", "x" * 128])
def test_passwords_have_limits(password):
    with pytest.raises(StateError) as caught:
        passwords.derive(password)
    assert caught.value.field == "password"
