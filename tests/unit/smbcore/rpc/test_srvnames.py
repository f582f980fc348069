"""NetprNameValidate's rules."""

import pytest
from impacket.dcerpc.v5 import srvs
from rpc_peers import bound

from smbcore.rpc.netapi import Win32
from smbcore.rpc.srvnames import validate

SHARE, USER, WORKGROUP = 9, 1, 13


@pytest.mark.parametrize(
    ("name", "kind", "flags", "result"),
    [
        ("data", SHARE, 0, Win32.SUCCESS),
        ("x" * 80, SHARE, 0, Win32.SUCCESS),
        ("x" * 81, SHARE, 0, Win32.INVALID_NAME),
        ("x" * 14, SHARE, 0x8000_0000, Win32.INVALID_NAME),
        ("a/b", SHARE, 0, Win32.INVALID_NAME),
        ("", USER, 0, Win32.INVALID_NAME),
        ("a b", WORKGROUP, 0, Win32.INVALID_NAME),
        ("a", 99, 0, Win32.INVALID_PARAMETER),
        ("a", SHARE, 5, Win32.INVALID_PARAMETER),
    ],
)
def test_name_rules(name: str, kind: int, flags: int, result: Win32):
    assert validate(name, kind, flags) is result


def test_operation_answers_over_the_wire():
    reply = srvs.hNetprNameValidate(bound("srvsvc", srvs.MSRPC_UUID_SRVS), "data\0", SHARE)
    assert reply["ErrorCode"] == 0
