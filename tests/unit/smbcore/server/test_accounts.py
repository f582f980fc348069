"""Accounts as authentication sees them."""

from __future__ import annotations

import pytest

from smbcore.nt.status import NtError, Status
from smbcore.server.accounts import AccountStore
from smbcore.state.configuration import AccountConfig, Configuration, Settings


def account(name="Alice", **changes) -> AccountConfig:
    values = {
        "id": 1, "name": name, "full_name": "", "sid": "S-1-5-21-1-2-3-1000", "role": "user", "enabled": True,
        "group_sids": (), "version": 1,
    }  # fmt: skip
    return AccountConfig(**values | changes)


def configured(*accounts: AccountConfig) -> Configuration:
    return Configuration(Settings(), (), accounts, ())


@pytest.mark.parametrize("signing", [False, True])
@pytest.mark.parametrize("encryption", [False, True])
def test_what_an_account_demands_goes_with_its_identity(signing, encryption):
    store = AccountStore(configured(account(signing_required=signing, encryption_required=encryption)))
    found = store.identity("ANY", "aLICE")
    assert (found.name, found.signing_required, found.encryption_required) == ("Alice", signing, encryption)


def test_a_reload_is_heard_by_the_next_sign_in():
    store = AccountStore(configured(account()))
    before = store.identity("", "alice")
    store.load(configured(account(encryption_required=True)))
    assert store.identity("", "alice").encryption_required
    assert not before.encryption_required


def test_nobody_demands_nothing():
    store = AccountStore(configured(account(name="ANONYMOUS LOGON", signing_required=True)))
    anonymous = store.identity("", "")
    assert anonymous.token.anonymous
    assert not anonymous.signing_required


def test_a_disabled_account_is_told_so():
    store = AccountStore(configured(account(enabled=False, signing_required=True)))
    with pytest.raises(NtError) as error:
        store.identity("", "alice")
    assert error.value.status is Status.ACCOUNT_DISABLED
