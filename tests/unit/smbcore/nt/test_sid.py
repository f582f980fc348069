from __future__ import annotations

import copy
import pickle

import pytest

from smbcore.nt import sid as w
from smbcore.nt.errors import WireError
from smbcore.nt.sid import Sid

TABLE = [
    ("S-1-0-0", "010100000000000000000000"),
    ("S-1-1-0", "010100000000000100000000"),
    ("S-1-5-18", "010100000000000512000000"),
    ("S-1-5-32-544", "01020000000000052000000020020000"),
    (
        "S-1-5-21-287454020-1432778632-2578103244-1010",
        "010500000000000515000000" + "44332211" + "88776655" + "ccbbaa99" + "f2030000",
    ),
    ("S-1-0x010000000000-7", "010101000000000007000000"),
    ("S-1-5", "0100000000000005"),
]


@pytest.mark.parametrize(("text", "wire"), TABLE)
def test_text_and_wire_both_ways(text, wire, refuses_every_truncation):
    """[MS-DTYP 2.4.2]"""
    data = bytes.fromhex(wire)
    sid = Sid.parse(text)
    assert sid.encode() == data
    assert str(sid) == text
    decoded = Sid.decode(b"\xff\xff" + data + b"\xff", 2)
    assert decoded == sid
    assert hash(decoded) == hash(sid)
    assert decoded.size == len(data)
    refuses_every_truncation(Sid.decode, data)


@pytest.mark.parametrize(
    "text",
    ["", "S", "S-1", "S-2-5-1", "X-1-5-1", "S-1-5-x", "S-1--5", "S-1-5-4294967296", "S-1-5-" + "-".join("1" * 16)],
)
def test_malformed_text_is_refused(text):
    with pytest.raises(ValueError, match="not a SID"):
        Sid.parse(text)


@pytest.mark.parametrize("wire", ["020100000000000000000000", "0110" + "00" * 70])
def test_wrong_revision_and_too_many_parts_are_refused(wire):
    with pytest.raises(WireError):
        Sid.decode(bytes.fromhex(wire))


def test_offset_outside_is_refused():
    for offset in (-1, 12, 1 << 40):
        with pytest.raises(WireError):
            Sid.decode(w.EVERYONE.encode(), offset)


def test_relatives():
    domain = Sid.parse("S-1-5-21-1-2-3")
    user = domain.child(1001)
    assert (str(user), user.rid, user.domain) == ("S-1-5-21-1-2-3-1001", 1001, domain)
    assert user.is_in(domain)
    assert not domain.is_in(domain)
    assert not w.ADMINISTRATORS.is_in(domain)
    with pytest.raises(ValueError):
        _ = Sid(5).rid
    with pytest.raises(ValueError):
        Sid(5, *range(15)).child(1)


def test_immutable_and_usable_as_key():
    with pytest.raises(AttributeError):
        w.EVERYONE._bytes = b""
    assert Sid.parse("S-1-1-0") in {w.EVERYONE: 1}
    assert w.EVERYONE != "S-1-1-0"
    assert copy.deepcopy(w.ADMINISTRATORS) == w.ADMINISTRATORS
    assert pickle.loads(pickle.dumps(w.ADMINISTRATORS)) == w.ADMINISTRATORS
    assert sorted([w.SYSTEM, w.EVERYONE]) == [w.EVERYONE, w.SYSTEM]


@pytest.mark.parametrize(
    ("sid", "text"),
    [
        (w.ANONYMOUS, "S-1-5-7"),
        (w.AUTHENTICATED_USERS, "S-1-5-11"),
        (w.NETWORK, "S-1-5-2"),
        (w.USERS, "S-1-5-32-545"),
        (w.GUESTS, "S-1-5-32-546"),
        (w.CREATOR_OWNER, "S-1-3-0"),
        (w.CREATOR_GROUP, "S-1-3-1"),
        (w.OWNER_RIGHTS, "S-1-3-4"),
    ],
)
def test_well_known(sid, text):
    """[MS-DTYP 2.4.2.4]"""
    assert str(sid) == text
