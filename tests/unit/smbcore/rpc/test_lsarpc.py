"""lsarpc, with impacket's structures as the other side."""

import pytest
from impacket.dcerpc.v5 import lsad, lsat
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED, NULL
from impacket.dcerpc.v5.rpcrt import DCERPCException
from rpc_peers import ALICE, MACHINE, FakeContext, bound, token

from smbcore.rpc.context import SidUse


def opened(context: FakeContext | None = None):
    client = bound("lsarpc", lsat.MSRPC_UUID_LSAT, context)
    return client, lsad.hLsarOpenPolicy2(client, MAXIMUM_ALLOWED)["PolicyHandle"]


def lookup_sids(client, handle, sids: list[str]):
    """Return (reply, names); partial results are not errors here."""
    try:
        return lsat.hLsarLookupSids(client, handle, sids)
    except DCERPCException as error:
        return error.get_packet()


def test_our_accounts_and_well_known_sids_have_names():
    client, handle = opened()
    reply = lsat.hLsarLookupSids(client, handle, [str(ALICE.sid), "S-1-1-0", "S-1-5-32-544", str(MACHINE)])
    names = [(row["Name"], row["Use"], row["DomainIndex"]) for row in reply["TranslatedNames"]["Names"]]
    assert names == [
        ("alice", SidUse.USER, 0),
        ("Everyone", SidUse.WELL_KNOWN_GROUP, 1),
        ("Administrators", SidUse.ALIAS, 2),
        ("ANCHOR", SidUse.DOMAIN, 0),
    ]
    domains = [row["Name"] for row in reply["ReferencedDomains"]["Domains"]]
    assert domains == ["ANCHOR", "", "BUILTIN"]


def test_unknown_sids_come_back_as_text_with_some_not_mapped():
    client, handle = opened()
    reply = lookup_sids(client, handle, [str(ALICE.sid), "S-1-5-21-9-9-9-9"])
    assert reply["ErrorCode"] == 0x107
    assert reply["TranslatedNames"]["Names"][1]["Name"] == "S-1-5-21-9-9-9-9"
    assert reply["TranslatedNames"]["Names"][1]["Use"] == SidUse.UNKNOWN
    assert reply["MappedCount"] == 1


def test_nothing_mapped_is_none_mapped():
    client, handle = opened()
    assert lookup_sids(client, handle, ["S-1-5-21-9-9-9-9"])["ErrorCode"] == 0xC000_0073


def test_second_version_of_the_lookups_decodes():
    client, handle = opened()
    reply = lsat.hLsarLookupSids2(client, handle, [str(ALICE.sid)])
    assert reply["TranslatedNames"]["Names"][0]["Name"] == "alice"
    reply = lsat.hLsarLookupNames2(client, handle, ["alice"])
    assert reply["TranslatedSids"]["Sids"][0]["RelativeId"] == 1001


@pytest.mark.parametrize("name", ["alice", "ALICE", "anchor\\Alice", "alice@example"])
def test_names_are_found_in_every_form(name: str):
    client, handle = opened()
    reply = lsat.hLsarLookupNames3(client, handle, [name])
    assert reply["TranslatedSids"]["Sids"][0]["Sid"].formatCanonical() == str(ALICE.sid)


def test_first_version_of_the_name_lookup_gives_relative_ids():
    client, handle = opened()
    reply = lsat.hLsarLookupNames(client, handle, ["staff"])
    row = reply["TranslatedSids"]["Sids"][0]
    assert (row["RelativeId"], row["Use"], row["DomainIndex"]) == (1101, SidUse.GROUP, 0)


def test_policy_information_names_machine_and_workgroup():
    client, handle = opened()
    account = lsad.hLsarQueryInformationPolicy2(
        client, handle, lsad.POLICY_INFORMATION_CLASS.PolicyAccountDomainInformation
    )
    info = account["PolicyInformation"]["PolicyAccountDomainInfo"]
    assert info["DomainName"] == "ANCHOR"
    assert info["DomainSid"].formatCanonical() == str(MACHINE)
    primary = lsad.hLsarQueryInformationPolicy2(
        client, handle, lsad.POLICY_INFORMATION_CLASS.PolicyPrimaryDomainInformation
    )
    assert primary["PolicyInformation"]["PolicyPrimaryDomainInfo"]["Name"] == "WORKGROUP"
    dns = lsad.hLsarQueryInformationPolicy2(client, handle, lsad.POLICY_INFORMATION_CLASS.PolicyDnsDomainInformation)
    assert dns["PolicyInformation"]["PolicyDnsDomainInfo"]["Name"] == "WORKGROUP"


def test_other_policy_information_is_refused():
    client, handle = opened()
    with pytest.raises(DCERPCException):
        lsad.hLsarQueryInformationPolicy2(client, handle, lsad.POLICY_INFORMATION_CLASS.PolicyReplicaSourceInformation)


@pytest.mark.parametrize(
    ("name", "sid"), [("NT AUTHORITY", "S-1-5"), ("builtin\\", "S-1-5-32"), ("anchor\\", str(MACHINE))]
)
def test_domains_are_found_by_name(name: str, sid: str):
    client, handle = opened()
    row = lsat.hLsarLookupNames3(client, handle, [name])["TranslatedSids"]["Sids"][0]
    assert (row["Use"], row["Sid"].formatCanonical()) == (SidUse.DOMAIN, sid)


def test_audit_events_are_off():
    client, handle = opened()
    reply = lsad.hLsarQueryInformationPolicy2(
        client, handle, lsad.POLICY_INFORMATION_CLASS.PolicyAuditEventsInformation
    )
    assert reply["PolicyInformation"]["PolicyAuditEventsInfo"]["MaximumAuditEventCount"] == 0


def test_the_empty_name_is_the_builtin_domain():
    client, handle = opened()
    row = lsat.hLsarLookupNames3(client, handle, [""])["TranslatedSids"]["Sids"][0]
    assert (row["Use"], row["Sid"].formatCanonical()) == (SidUse.DOMAIN, "S-1-5-32")


def test_caller_learns_who_it_is():
    client, _ = opened()
    request = lsat.LsarGetUserName()
    request["SystemName"] = NULL
    request["UserName"] = NULL
    request["DomainName"] = NULL
    assert client.request(request)["UserName"] == "alice"


def test_closed_handles_do_not_work():
    client, handle = opened()
    lsad.hLsarClose(client, handle)
    with pytest.raises(DCERPCException, match="context_mismatch"):
        lsat.hLsarLookupSids(client, handle, ["S-1-1-0"])


def test_anonymous_opens_no_policy():
    with pytest.raises(DCERPCException, match="ACCESS_DENIED"):
        opened(FakeContext(token(anonymous=True)))
