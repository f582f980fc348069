"""samr, with impacket's structures as the other side."""

import pytest
from impacket.dcerpc.v5 import samr
from impacket.dcerpc.v5.rpcrt import DCERPCException
from rpc_peers import ALICE, MACHINE, FakeContext, bound, token


def connected(context: FakeContext | None = None):
    client = bound("samr", samr.MSRPC_UUID_SAMR, context)
    return client, samr.hSamrConnect(client)["ServerHandle"]


def in_domain(name: str = "ANCHOR"):
    client, server = connected()
    sid = samr.hSamrLookupDomainInSamServer(client, server, name)["DomainId"]
    return client, samr.hSamrOpenDomain(client, server, domainId=sid)["DomainHandle"]


def test_the_domains_are_the_machine_and_builtin():
    client, server = connected()
    rows = samr.hSamrEnumerateDomainsInSamServer(client, server)["Buffer"]["Buffer"]
    assert [row["Name"] for row in rows] == ["ANCHOR", "Builtin"] or [row["Name"] for row in rows] == [
        "ANCHOR",
        "BUILTIN",
    ]


def test_domain_lookup_gives_the_machine_sid():
    client, server = connected()
    assert samr.hSamrLookupDomainInSamServer(client, server, "anchor")["DomainId"].formatCanonical() == str(MACHINE)
    with pytest.raises(DCERPCException, match="NO_SUCH_DOMAIN"):
        samr.hSamrLookupDomainInSamServer(client, server, "elsewhere")


def test_users_and_aliases_are_listed():
    client, domain = in_domain()
    rows = samr.hSamrEnumerateUsersInDomain(client, domain)["Buffer"]["Buffer"]
    assert [(row["Name"], row["RelativeId"]) for row in rows] == [("alice", 1001)]
    client, builtin = in_domain("BUILTIN")
    rows = samr.hSamrEnumerateAliasesInDomain(client, builtin)["Buffer"]["Buffer"]
    assert (rows[0]["Name"], rows[0]["RelativeId"]) == ("Administrators", 544)


def test_lookups_go_both_ways():
    client, domain = in_domain()
    reply = samr.hSamrLookupNamesInDomain(client, domain, ["ALICE"])
    assert [item["Data"] for item in reply["RelativeIds"]["Element"]] == [ALICE.sid.rid]
    reply = samr.hSamrLookupIdsInDomain(client, domain, [1001])
    assert reply["Names"]["Element"][0]["Data"] == "alice"


def test_connect5_is_served():
    client = bound("samr", samr.MSRPC_UUID_SAMR)
    assert samr.hSamrConnect5(client)["OutRevisionInfo"]["V1"]["Revision"] == 3


def test_closed_handles_do_not_work():
    client, server = connected()
    samr.hSamrCloseHandle(client, server)
    with pytest.raises(DCERPCException, match="context_mismatch"):
        samr.hSamrEnumerateDomainsInSamServer(client, server)


def test_anonymous_does_not_connect():
    with pytest.raises(DCERPCException, match="ACCESS_DENIED"):
        connected(FakeContext(token(anonymous=True)))
