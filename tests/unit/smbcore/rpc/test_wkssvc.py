"""wkssvc, with impacket's structures as the other side."""

import pytest
from impacket.dcerpc.v5 import wkst
from impacket.dcerpc.v5.rpcrt import DCERPCException
from rpc_peers import FakeContext, bound, token


def client(*, administrator: bool = False):
    return bound("wkssvc", wkst.MSRPC_UUID_WKST, FakeContext(token(administrator=administrator)))


@pytest.mark.parametrize("level", [100, 101, 102])
def test_info_levels_decode(level: int):
    info = wkst.hNetrWkstaGetInfo(client(administrator=True), level)["WkstaInfo"][f"WkstaInfo{level}"]
    assert info[f"wki{level}_computername"] == "ANCHOR\0"
    assert info[f"wki{level}_langroup"] == "WORKGROUP\0"


def test_logged_on_users_are_for_administrators():
    info = wkst.hNetrWkstaGetInfo(client(administrator=True), 102)["WkstaInfo"]["WkstaInfo102"]
    assert info["wki102_logged_on_users"] == 2
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        wkst.hNetrWkstaGetInfo(client(), 102)


@pytest.mark.parametrize("level", [0, 1])
def test_user_levels_decode(level: int):
    rows = wkst.hNetrWkstaUserEnum(client(administrator=True), level)["UserInfo"]["WkstaUserInfo"][f"Level{level}"][
        "Buffer"
    ]
    assert [row[f"wkui{level}_username"] for row in rows] == ["alice\0", "bob\0"]
