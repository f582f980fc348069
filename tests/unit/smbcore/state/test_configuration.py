from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import event

from smbcore.state import accounts, groups, shares
from smbcore.state.configuration import ShareAccess, load_configuration
from smbcore.state.engine import writing
from smbcore.state.shares import NewShare


@pytest.fixture
def filled(store, now):
    with writing(store.engine) as connection:
        for name in ("Zoë", "alice"):
            accounts.create_account(connection, store.keyfile, accounts.NewAccount(name), None, now=now)
        groups.create_group(connection, "staff", members=["alice", "zoë"], now=now)
        for number in range(3):
            new = NewShare(f"S{number}", "/s", access=(ShareAccess("everyone", "read"),))
            shares.create_share(connection, new, now=now)
    return store


def test_names_are_found_in_any_case(filled):
    configuration = load_configuration(filled.engine, filled.keyfile)
    assert configuration.find_share("s1").name == "S1"
    assert configuration.find_account("ZOË").name == "Zoë"
    assert configuration.find_share("s9") is None
    assert configuration.find_account("eve") is None


def test_everything_is_sorted_by_name(filled):
    configuration = load_configuration(filled.engine, filled.keyfile)
    assert [share.name for share in configuration.shares] == ["IPC$", "S0", "S1", "S2"]
    assert [account.name for account in configuration.accounts] == ["alice", "Zoë"]
    assert configuration.groups[0].members == ("alice", "Zoë")


def test_two_readings_of_the_same_state_are_equal_and_frozen(filled):
    first, second = (load_configuration(filled.engine, filled.keyfile) for _ in range(2))
    assert first == second
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.settings.workgroup = "x"


def test_loading_takes_a_fixed_number_of_queries(filled):
    statements = []
    event.listen(filled.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    load_configuration(filled.engine, filled.keyfile)
    assert len([line for line in statements if line.startswith("SELECT")]) == 7
