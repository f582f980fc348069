"""Names and SIDs."""

from rpc_peers import ALICE, MACHINE, FakeContext

from smbcore.nt import sid as sids
from smbcore.rpc.context import SidUse
from smbcore.rpc.names import Directory, builtin_aliases, domain_sid, well_known


def test_domain_of_an_account_is_its_sid_without_the_rid():
    assert domain_sid(ALICE) == MACHINE


def test_well_known_accounts_are_found_by_sid_and_by_name():
    directory = Directory(FakeContext())
    system = directory.find_name("nt authority\\system")
    assert system is not None
    assert system.sid == sids.SYSTEM
    found = directory.find_sid(sids.USERS)
    assert found is not None
    assert (found.domain, found.name, found.use) == ("BUILTIN", "Users", SidUse.ALIAS)


def test_strangers_are_not_found():
    directory = Directory(FakeContext())
    assert directory.find_name("nobody") is None
    assert directory.find_sid(sids.Sid(5, 21, 9, 9, 9, 9)) is None


def test_every_well_known_sid_is_named_once():
    accounts = well_known()
    assert len({account.sid for account in accounts}) == len(accounts)
    assert {account.use for account in builtin_aliases()} == {SidUse.ALIAS}
