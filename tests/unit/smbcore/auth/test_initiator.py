"""The client's side, beside what test_acceptor shows: against the recorded server and a misbehaving one."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

import pytest
from spnego._spnego import NegState, NegTokenInit, NegTokenResp

from smbcore.auth.acceptor import Authenticator, Step
from smbcore.auth.initiator import Initiator
from smbcore.crypto.md4 import nt_hash
from smbcore.nt.status import NtError, Status

Make = Callable[..., Authenticator]
LogOn = Callable[..., Step]


def field(message: bytes, at: int) -> bytes:
    length, offset = unpack_from("<H2xI", message, at)
    return message[offset : offset + length]


def status_of(client: Initiator, token: bytes | None) -> Status:
    with pytest.raises(NtError) as caught:
        client.step(token)
    return caught.value.status


def test_says_who_where_from_and_keeps_the_password(authenticator: Make) -> None:
    client = Initiator("alice", "Secret", "DOM", spnego=False, workstation="DESK")
    message = client.step(authenticator().begin().step(client.step(None)).reply)
    assert [field(message, at).decode("utf-16-le") for at in (28, 36, 44)] == ["DOM", "alice", "DESK"]
    assert "Secret".encode("utf-16-le") not in message
    assert nt_hash("Secret") not in message
    assert field(message, 12) == bytes(24), "no LM response"


def test_logs_on_with_the_hash_alone(log_on: LogOn) -> None:
    assert log_on(Initiator("bob", nt_hash=nt_hash("Secret"))).done


def test_a_password_that_looks_like_hashes_is_a_password(authenticator: Make) -> None:
    looks = "a" * 32 + ":" + "b" * 32

    class Accounts:
        def nt_hash(self, domain: str, user: str) -> bytes | None:
            return nt_hash(looks)

        def identity(self, domain: str, user: str) -> None:
            return None

    auth = authenticator()
    auth._accounts = Accounts()
    client, exchange = Initiator("x", looks), auth.begin()
    with pytest.raises(NtError, match="is gone"):
        exchange.step(client.step(exchange.step(client.step(None)).reply))


def test_a_backslash_in_a_name_stays_in_the_name(authenticator: Make) -> None:
    client = Initiator("a\\b", spnego=False)
    message = client.step(authenticator().begin().step(client.step(None)).reply)
    assert field(message, 36).decode("utf-16-le") == "a\\b"
    assert field(message, 28) == b""


def test_anonymous_sends_no_name(authenticator: Make) -> None:
    client = Initiator("alice", "Secret", "DOM", anonymous=True, spnego=False)
    message = client.step(authenticator().begin().step(client.step(None)).reply)
    assert [field(message, at) for at in (12, 20, 28, 36)] == [b"\0", b"", b"", b""]
    assert unpack_from("<I", message, 60)[0] & 0x800


def test_session_key_is_known_when_the_last_token_is_made(authenticator: Make) -> None:
    client, exchange = Initiator("bob", "Secret"), authenticator().begin()
    first = client.step(None)
    assert client.session_key == b""
    client.step(exchange.step(first).reply)
    assert len(client.session_key) == 16


def test_two_logons_have_different_keys(log_on: LogOn) -> None:
    assert log_on(Initiator("bob", "Secret")).session_key != log_on(Initiator("bob", "Secret")).session_key


@pytest.mark.parametrize("hint", [NegTokenInit(["1.2.840.113554.1.2.2"], hint_name=b"x").pack(), b"garbage", b""])
def test_whatever_the_hint_says_ntlm_is_offered(hint: bytes) -> None:
    assert Initiator("bob").step(hint) == Initiator("bob").step(None)


def test_rejecting_server_is_a_logon_failure(authenticator: Make) -> None:
    client = Initiator("bob", "Secret")
    client.step(None)
    assert status_of(client, NegTokenResp(NegState.reject).pack()) is Status.LOGON_FAILURE


def test_wrong_mic_of_the_server_is_a_logon_failure(authenticator: Make) -> None:
    client, exchange = Initiator("bob", "Secret"), authenticator().begin()
    last = bytearray(exchange.step(client.step(exchange.step(client.step(None)).reply)).reply)
    last[-9] ^= 1
    assert status_of(client, bytes(last)) is Status.LOGON_FAILURE
    assert not client.session_key == b""


@pytest.mark.parametrize("spnego", [True, False])
def test_nothing_follows_the_end_or_an_error(authenticator: Make, spnego: bool) -> None:
    client, exchange = Initiator("bob", "Secret", spnego=spnego), authenticator().begin()
    last = exchange.step(client.step(exchange.step(client.step(None)).reply)).reply
    assert client.step(last) == b""
    assert client.complete
    assert status_of(client, last) is Status.INVALID_PARAMETER
    client = Initiator("bob", "Secret", spnego=spnego)
    client.step(None)
    status_of(client, b"garbage")
    assert status_of(client, None) is Status.INVALID_PARAMETER


def test_bare_client_ignores_the_hint(authenticator: Make) -> None:
    assert Initiator("bob", spnego=False).step(authenticator().hint()).startswith(b"NTLMSSP\0\x01\0\0\0")


def test_bare_client_does_not_take_a_token_after_its_last() -> None:
    client = Initiator("bob", "Secret", spnego=False)
    client.step(None)
    assert status_of(client, NegTokenResp(NegState.accept_complete).pack()) in (
        Status.LOGON_FAILURE,
        Status.INVALID_PARAMETER,
    )
    assert not client.complete
