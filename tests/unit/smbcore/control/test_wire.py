from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smbcore.control import messages as m
from smbcore.control.errors import ControlError
from smbcore.control.wire import MAX_LINE, decode, encode

EXAMPLES = [
    m.Ping(),
    m.Pong("node", "boot", "holdfast 0.1", "2026-01-01T00:00:00+00:00"),
    m.ReloadConfiguration(),
    m.DisconnectSession(0xFFFF_FFFF, "tidying up"),
    m.DisconnectTcon(1, ""),
    m.CloseOpen(2, "täglich \u2028 \n", 2.5),
    m.BreakLease("0" * 32, "f" * 32, "RH", 10, "maintenance"),
    m.ListWaiting(),
    m.ListUnanswered(),
    m.Unanswered({"7": 3}, ["7"]),
    m.Waiting({"c:k": ["anna", "ben"]}),
    m.QueryUsage("docs"),
    m.Usage(2**40, 2**39, 2**38, "counted", 2**30, {"S-1-5-32-544": 2**30}),
    m.DisconnectUser("alice", ""),
    m.ListCounters(),
    m.Counters({"opens": 3, "bytes_in": 2**63}),
    m.Subscribe(["opens", "shares"]),
    m.Changed(77, ["opens"]),
    m.Done("", 4),
    m.Failed("not_found", "There is no such open."),
]


def test_every_message_has_an_example():
    assert {type(example) for example in EXAMPLES} == set(m.MESSAGES.values())


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda example: type(example).__name__)
def test_messages_come_back_from_one_line(message):
    line = encode(5, message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == (5, message)


def test_fields_with_defaults_may_be_left_out():
    assert decode(b'{"id":1,"type":"CloseOpen","body":{"open_key":2}}') == (1, m.CloseOpen(2, ""))


def line(request_id=1, name="CloseOpen", body=None, **more):
    return json.dumps(
        {"id": request_id, "type": name, "body": {"open_key": 1} if body is None else body} | more
    ).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"[]", b"1", b"\xff\xfe", b"{", b"[" * 100_000, b'{"id":1}',
        line(request_id=True), line(request_id=-1), line(request_id="1"), line(request_id=2**53), line(request_id=1.0),
        line(name="Nothing"), line(name=None), line(name=["CloseOpen"]), line(name="__class__"), line(extra=1),
        line(body=[]), line(body={}), line(body={"open_key": True}), line(body={"open_key": "1"}),
        line(body={"open_key": 1, "reason": None}), line(body={"open_key": 1, "force": True}),
        line(name="Subscribe", body={"topics": "opens"}), line(name="Subscribe", body={"topics": [1]}),
        line(body={"open_key": 1, "polite_wait": -1}), line(body={"open_key": 1, "polite_wait": 601}),
        line(body={"open_key": 1, "polite_wait": float("nan")}), line(body={"open_key": 1, "polite_wait": True}),
        line(name="Waiting", body={"users": {"a": "b"}}), line(name="Waiting", body={"users": {"a": [1]}}),
        line(name="Counters", body={"values": {"a": "1"}}), line(name="Counters", body={"values": []}),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(data):
    with pytest.raises(ControlError):
        decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data):
    with pytest.raises(ControlError):
        decode(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_body_raises_anything_else(body):
    for name in m.MESSAGES:
        try:
            decode(json.dumps({"id": 1, "type": name, "body": body}).encode())
        except ControlError:
            continue


def test_a_message_has_a_limit():
    encode(1, m.Done("x" * (MAX_LINE - 100)))
    with pytest.raises(ControlError, match="too long"):
        encode(1, m.Done("x" * MAX_LINE))
