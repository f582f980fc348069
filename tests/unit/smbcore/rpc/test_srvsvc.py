"""srvsvc, with impacket's structures as the other side."""

from __future__ import annotations

import pytest
from impacket.dcerpc.v5 import srvs
from impacket.dcerpc.v5.rpcrt import DCERPCException
from rpc_peers import SECURITY, FakeContext, bound, token

from smbcore.rpc import srvsvc


def admin() -> FakeContext:
    return FakeContext(token(administrator=True))


def client(context: FakeContext | None = None):
    return bound("srvsvc", srvs.MSRPC_UUID_SRVS, context)


def entries(reply, level: int):
    return reply["InfoStruct"]["ShareInfo"][f"Level{level}"]["Buffer"]


def test_level_one_lists_the_browsable_shares_to_a_user():
    reply = srvs.hNetrShareEnum(client(), 1)
    assert [row["shi1_netname"] for row in entries(reply, 1)] == ["demo\0", "IPC$\0"]
    assert entries(reply, 1)[0]["shi1_remark"] == "Démo \N{SNOWMAN}\0"
    assert entries(reply, 1)[1]["shi1_type"] == 0x8000_0003
    assert reply["TotalEntries"] == 2


@pytest.mark.parametrize("level", [0, 1, 2, 501, 502])
def test_every_level_decodes_for_an_administrator(level: int):
    reply = srvs.hNetrShareEnum(client(admin()), level)
    assert entries(reply, level)[0][f"shi{level}_netname"] == "demo\0"


def test_level_502_carries_path_limits_and_security():
    row = entries(srvs.hNetrShareEnum(client(admin()), 502), 502)[0]
    assert row["shi502_path"] == "C:\\data\\demo\0"
    assert (row["shi502_current_uses"], row["shi502_max_uses"]) == (2, 10)
    assert b"".join(row["shi502_security_descriptor"]) == SECURITY


@pytest.mark.parametrize("level", [2, 502])
def test_levels_with_paths_are_refused_to_a_user(level: int):
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrShareEnum(client(), level)


def test_anonymous_sees_names_but_neither_paths_nor_sessions():
    peer = client(FakeContext(token(anonymous=True)))
    assert srvs.hNetrShareEnum(peer, 1)["TotalEntries"] == 2
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrShareEnum(peer, 502)
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrSessionEnum(peer, "\0", "\0", 10)


def test_sticky_enumeration_has_no_level_501():
    assert srvs.hNetrShareEnumSticky(client(), 1)["TotalEntries"] == 2
    with pytest.raises(DCERPCException, match="INVALID_LEVEL"):
        srvs.hNetrShareEnumSticky(client(), 501)


def test_hundreds_of_shares_arrive_in_fragments():
    reply = srvs.hNetrShareEnum(client(FakeContext(extra_shares=700)), 1)
    assert len(entries(reply, 1)) == 702


def test_small_preferred_length_is_paged_with_the_resume_handle():
    peer, resume, names = client(FakeContext(extra_shares=20)), 0, []
    for _ in range(30):
        request = srvs.NetrShareEnum()
        request["ServerName"] = "x\0"
        request["PreferedMaximumLength"] = 200
        request["ResumeHandle"] = resume
        request["InfoStruct"]["ShareInfo"]["tag"] = 1
        request["InfoStruct"]["ShareInfo"]["Level1"]["Buffer"] = srvs.NULL
        request["InfoStruct"]["Level"] = 1
        reply = peer.request(request, checkError=False)
        names += [row["shi1_netname"] for row in entries(reply, 1)]
        resume = reply["ResumeHandle"]
        if reply["ErrorCode"] == 0:
            break
        assert reply["ErrorCode"] == 234
    assert len(names) == len(set(names)) == 22


@pytest.mark.parametrize("level", [0, 1, 2, 501, 502, 503, 1004, 1005, 1006, 1501])
def test_share_info_levels_decode(level: int):
    reply = srvs.hNetrShareGetInfo(client(admin()), "DEMO\0", level)
    assert reply["InfoStruct"]["tag"] == level


def test_share_flags_are_open_to_users():
    info = srvs.hNetrShareGetInfo(client(), "demo\0", 1005)["InfoStruct"]["ShareInfo1005"]
    assert info["shi1005_flags"] == 0x800


def test_a_hidden_share_is_found_by_name():
    info = srvs.hNetrShareGetInfo(client(), "secret$\0", 1)["InfoStruct"]["ShareInfo1"]
    assert info["shi1_netname"] == "secret$\0"


def test_unknown_share_is_named_as_such():
    with pytest.raises(DCERPCException, match="2310|NetNameNotFound|0x906"):
        srvs.hNetrShareGetInfo(client(), "none\0", 1)


def test_share_of_a_directory_is_found():
    assert srvs.hNetrShareCheck(client(admin()), "c:\\DATA\\demo\0")["Type"] == 0


@pytest.mark.parametrize("level", [0, 1, 2, 10, 502])
def test_session_levels_decode(level: int):
    reply = srvs.hNetrSessionEnum(client(admin()), "\0", "\0", level)
    rows = reply["InfoStruct"]["SessionInfo"][f"Level{level}"]["Buffer"]
    assert rows[0][f"sesi{level}_cname"] == "\\\\192.0.2.1\0"
    assert len(rows) == 2


def test_sessions_are_filtered_by_client_and_user():
    reply = srvs.hNetrSessionEnum(client(), "\\\\192.0.2.2\0", "BOB\0", 10)
    rows = reply["InfoStruct"]["SessionInfo"]["Level10"]["Buffer"]
    assert [row["sesi10_username"] for row in rows] == ["bob\0"]


def test_open_counts_of_sessions_are_refused_to_a_user():
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrSessionEnum(client(), "\0", "\0", 502)


def test_session_delete_ends_the_sessions_named():
    context = admin()
    srvs.hNetrSessionDel(client(context), "\\\\192.0.2.1\0", "alice\0")
    assert context.closed == [("192.0.2.1", "alice")]


@pytest.mark.parametrize("level", [2, 3])
def test_file_levels_decode(level: int):
    reply = srvs.hNetrFileEnum(client(admin()), "\0", "\0", level)
    rows = reply["InfoStruct"]["FileInfo"][f"Level{level}"]["Buffer"]
    assert [row[f"fi{level}_id"] for row in rows] == [7, 9]


def test_files_are_filtered_by_directory():
    reply = srvs.hNetrFileEnum(client(admin()), "c:\\data\0", "\0", 3)
    rows = reply["InfoStruct"]["FileInfo"]["Level3"]["Buffer"]
    assert [row["fi3_path_name"] for row in rows] == ["C:\\data\\demo\\a.txt\0"]


def test_file_info_names_user_and_locks():
    info = srvs.hNetrFileGetInfo(client(admin()), 7, 3)["InfoStruct"]["FileInfo3"]
    assert (info["fi3_username"], info["fi3_num_locks"]) == ("alice\0", 1)


def test_file_close_reaches_the_server_for_an_administrator_only():
    context = admin()
    srvs.hNetrFileClose(client(context), 7)
    with pytest.raises(DCERPCException):
        srvs.hNetrFileClose(client(context), 8)
    assert context.closed == [7, 8]
    user = FakeContext()
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrFileClose(client(user), 7)
    assert user.closed == []


@pytest.mark.parametrize(("qualifier", "other"), [("demo\0", "192.0.2.1\0"), ("\\\\192.0.2.1\0", "demo\0")])
def test_connections_name_the_other_end(qualifier: str, other: str):
    reply = srvs.hNetrConnectionEnum(client(admin()), qualifier, 1)
    rows = reply["InfoStruct"]["ConnectInfo"]["Level1"]["Buffer"]
    assert [row["coni1_netname"] for row in rows] == [other]


@pytest.mark.parametrize("level", [100, 101, 102])
def test_server_levels_decode(level: int):
    info = srvs.hNetrServerGetInfo(client(admin()), level)["InfoStruct"][f"ServerInfo{level}"]
    assert info[f"sv{level}_name"] == "ANCHOR\0"


def test_the_drive_of_all_paths_is_listed():
    reply = srvs.hNetrServerDiskEnum(client(admin()), 0)
    assert reply["TotalEntries"] == 1
    assert reply["DiskInfoStruct"]["Buffer"][0]["Disk"] == "C:\0"


def test_drives_are_refused_to_a_user():
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrServerDiskEnum(client(), 0)


def test_time_of_day_is_the_clocks():
    info = srvs.hNetrRemoteTOD(client())["BufferPtr"]
    assert info["tod_elapsedt"] == 1_790_000_000
    assert (info["tod_year"], info["tod_month"], info["tod_day"]) == (2026, 9, 21)
    assert info["tod_timezone"] in (-120, 2**32 - 120)
    assert info["tod_weekday"] == 1


def test_unknown_level_is_refused_by_result():
    with pytest.raises(DCERPCException, match="INVALID_LEVEL"):
        srvs.hNetrShareGetInfo(client(), "demo\0", 599)


@pytest.mark.parametrize("level", [502, 1005])
def test_server_levels_of_windows_alone_are_refused_by_result(level: int):
    with pytest.raises(DCERPCException, match="INVALID_LEVEL"):
        srvs.hNetrServerGetInfo(client(admin()), level)


def test_unknown_operation_is_a_fault():
    with pytest.raises(DCERPCException, match="op_rng_error"):
        srvs.hNetrServerStatisticsGet(client(), "\0", 0, 0)


def test_the_operations_served_are_the_documented_ones():
    assert set(srvsvc.operations()) >= {8, 9, 10, 11, 12, 13, 15, 16, 21, 28}
