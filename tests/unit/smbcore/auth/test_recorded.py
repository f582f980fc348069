"""Contract: exchanges recorded from real clients end as they ended when the clients were satisfied with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from smbcore.auth.acceptor import Authenticator, Exchange, ServerNames
from smbcore.auth.accounts import Identity
from smbcore.crypto.md4 import nt_hash
from smbcore.nt import sid
from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

RECORDED = json.loads((Path(__file__).parents[3] / "data" / "auth" / "recorded.json").read_text())
EXCHANGES = RECORDED["exchanges"]
GOOD = [e for e in EXCHANGES if e["status"] == "SUCCESS"]
WITH_PASSWORD = [e for e in GOOD if e["identity"] == "alice"]
PROTECTED = [e for e in WITH_PASSWORD if e["client"].startswith(("Samba", "smbprotocol"))]


def client(exchange: dict[str, Any]) -> str:
    return str(exchange["client"])


class Accounts:
    def nt_hash(self, domain: str, user: str) -> bytes | None:
        return nt_hash(RECORDED["password"]) if user == RECORDED["user"] else None

    def identity(self, domain: str, user: str) -> Identity | None:
        return Identity(user, Token(sid.USERS, name=user)) if user == RECORDED["user"] else None


def begin(exchange: dict[str, Any]) -> Exchange:
    challenge = bytes.fromhex(RECORDED["challenge"])
    return Authenticator(
        Accounts(),
        ServerNames(**RECORDED["server"]),
        exchange["allow_anonymous"],
        exchange["allow_guest"],
        clock=ManualClock(RECORDED["now"]),
        urandom=lambda size: challenge[:size],
    ).begin()


@pytest.mark.parametrize("recorded", GOOD, ids=client)
def test_a_recorded_exchange_is_answered_as_recorded(recorded: dict[str, Any]) -> None:
    exchange = begin(recorded)
    *earlier, last = zip(recorded["tokens"], recorded["replies"], strict=True)
    for token, reply in earlier:
        step = exchange.step(bytes.fromhex(token))
        assert (step.done, step.reply.hex()) == (False, reply)
    step = exchange.step(memoryview(bytes.fromhex(last[0])))
    assert (step.done, step.reply.hex()) == (True, last[1])
    assert step.session_key.hex() == recorded["session_key"]
    assert step.identity is not None
    assert step.identity.name == recorded["identity"]
    assert (step.anonymous, step.guest) == (recorded["allow_anonymous"], recorded["allow_guest"])
    assert step.mechanism == "NTLM"


def test_a_recorded_wrong_password_is_a_logon_failure() -> None:
    (recorded,) = (e for e in EXCHANGES if e["status"] != "SUCCESS")
    exchange = begin(recorded)
    exchange.step(bytes.fromhex(recorded["tokens"][0]))
    with pytest.raises(NtError) as caught:
        exchange.step(bytes.fromhex(recorded["tokens"][1]))
    assert caught.value.status is Status.LOGON_FAILURE


@pytest.mark.parametrize(
    "recorded", [e for e in WITH_PASSWORD if e["client"].startswith(("Samba", "impacket"))], ids=client
)
def test_the_recording_really_ends_the_blob_after_the_last_av_pair(recorded: dict[str, Any]) -> None:
    """What the stock acceptor of the library refuses: no Z(4) after MsvAvEOL."""
    token = bytes.fromhex(recorded["tokens"][1])
    message = token[token.index(b"NTLMSSP\0") :]
    length, offset = int.from_bytes(message[20:22], "little"), int.from_bytes(message[24:28], "little")
    pairs, at = message[offset + 44 : offset + length], 0
    while pairs[at : at + 2] != b"\0\0":
        at += 4 + int.from_bytes(pairs[at + 2 : at + 4], "little")
    assert at + 4 == len(pairs)


@pytest.mark.parametrize("recorded", WITH_PASSWORD, ids=client)
def test_another_challenge_makes_a_recorded_answer_worthless(recorded: dict[str, Any]) -> None:
    auth = Authenticator(Accounts(), ServerNames(**RECORDED["server"]), clock=ManualClock(RECORDED["now"]))
    exchange = auth.begin()
    exchange.step(bytes.fromhex(recorded["tokens"][0]))
    with pytest.raises(NtError) as caught:
        exchange.step(bytes.fromhex(recorded["tokens"][1]))
    assert caught.value.status is Status.LOGON_FAILURE


@pytest.mark.parametrize("recorded", PROTECTED, ids=client)
@pytest.mark.parametrize("which", [0, 1])
def test_a_flag_changed_on_the_way_is_noticed_where_the_client_sent_a_mic(recorded: dict[str, Any], which: int) -> None:
    """NTLMSSP_NEGOTIATE_128 turned over in type 1 or type 3: not under the proof, but under the MIC."""
    tokens = [bytearray.fromhex(t) for t in recorded["tokens"]]
    flags = tokens[which].index(b"NTLMSSP\0") + (12, 60)[which]
    tokens[which][flags + 3] ^= 0x20
    exchange = begin(recorded)
    exchange.step(tokens[0])
    with pytest.raises(NtError) as caught:
        exchange.step(tokens[1])
    assert caught.value.status is Status.LOGON_FAILURE


def test_a_changed_mechanism_list_is_noticed_where_the_client_signed_it() -> None:
    """The list is padded with a mechanism that the client never offered."""
    recorded = next(e for e in GOOD if e["client"] == "Samba smbclient 4.17")
    first = bytes.fromhex(recorded["tokens"][0])
    ntlm = bytes.fromhex("060a2b06010401823702020a")
    extra = bytes.fromhex("060a2b06010401823702021e")
    at = first.index(ntlm)
    changed = bytearray(first[: at + 12] + extra + first[at + 12 :])
    # Every length that encloses the list grows with it: application, choice, sequence, [0], sequence of.
    for length_at in (1, 11, 13, at - 3, at - 1):
        assert changed[length_at] + 12 < 128
        changed[length_at] += 12
    exchange = begin(recorded)
    exchange.step(changed)
    with pytest.raises(NtError) as caught:
        exchange.step(bytes.fromhex(recorded["tokens"][1]))
    assert caught.value.status is Status.LOGON_FAILURE
