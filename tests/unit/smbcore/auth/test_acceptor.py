"""The server's side: who gets in, who does not, and with what status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import spnego

from smbcore.auth.acceptor import MAX_LEGS, MAX_TOKEN, Authenticator, Step
from smbcore.auth.initiator import Initiator
from smbcore.nt import sid
from smbcore.nt.status import NtError, Status

LogOn = Callable[..., Step]
Make = Callable[..., Authenticator]
PASSWORD = "Pässw0rd! 1"


class LibraryClient:
    """The initiator of the library as it is: an oracle that shares no code of ours."""

    def __init__(self, user: str, password: str, protocol: str, **options: Any) -> None:
        self.context = spnego.client(user, password, protocol=protocol, **options)

    def step(self, token: bytes | None) -> bytes:
        if self.context.complete:
            return b""
        return self.context.step(token) or b""


def refused(log_on: LogOn, client: Any, **options: Any) -> Status:
    with pytest.raises(NtError) as caught:
        log_on(client, **options)
    return caught.value.status


@pytest.mark.parametrize("spnego_", [True, False], ids=["spnego", "bare"])
@pytest.mark.parametrize("domain", ["", "WORKGROUP", "HOLDFAST", "?"])
def test_right_password_gets_in_whatever_domain_the_client_types(log_on: LogOn, spnego_: bool, domain: str) -> None:
    client = Initiator("Alice", PASSWORD, domain, spnego=spnego_)
    step = log_on(client)
    assert step.identity is not None
    assert step.identity.name == "alice"
    assert step.session_key == client.session_key
    assert len(step.session_key) == 16
    assert (step.anonymous, step.guest, step.mechanism) == (False, False, "NTLM")
    assert client.complete


@pytest.mark.parametrize("protocol", ["ntlm", "negotiate"])
def test_the_librarys_own_initiator_gets_in_with_the_same_key(log_on: LogOn, protocol: str) -> None:
    client = LibraryClient("alice", PASSWORD, protocol, options=spnego.NegotiateOptions.use_negotiate & 0)
    step = log_on(client, hint=False)
    assert step.session_key == client.context.session_key
    assert client.context.complete


@pytest.mark.parametrize(("name", "shown"), [("WS-ANNA", "WS-ANNA"), ("", ""), ("X" * 100, "X" * 64)])
def test_the_name_of_the_clients_computer_is_told(log_on: LogOn, name: str, shown: str) -> None:
    assert log_on(Initiator("alice", PASSWORD, workstation=name)).client_name == shown


def test_the_two_legs_look_like_a_server_that_clients_know(authenticator: Make) -> None:
    auth = authenticator()
    exchange = auth.begin()
    client = Initiator("alice", PASSWORD)
    first = exchange.step(client.step(auth.hint()))
    assert not first.done
    assert (first.session_key, first.identity, first.mechanism) == (b"", None, "")
    assert first.reply.startswith(b"\xa1")
    assert b"\xa0\x03\x0a\x01\x01" in first.reply, "accept-incomplete, not request-mic"
    last = exchange.step(client.step(first.reply))
    assert last.done
    assert b"\xa0\x03\x0a\x01\x00" in last.reply, "accept-complete"


def test_hint_is_an_init_token_with_ntlm(authenticator: Make) -> None:
    hint = authenticator().hint()
    assert hint.startswith(b"\x60")
    assert bytes.fromhex("060a2b06010401823702020a") in hint
    assert hint.endswith(b"not_defined_in_RFC4178@please_ignore")


@pytest.mark.parametrize("user", ["alice", "ALICE", "bob", "nobody", "", "locked"])
def test_wrong_password_and_unknown_user_are_the_same_logon_failure(log_on: LogOn, user: str) -> None:
    assert refused(log_on, Initiator(user, "wrong")) is Status.LOGON_FAILURE


def test_unknown_user_walks_the_same_way_as_a_wrong_password(log_on: LogOn, accounts: Any) -> None:
    refused(log_on, Initiator("alice", "wrong"))
    refused(log_on, Initiator("nobody", "wrong"))
    assert accounts.asked == [("nt_hash", "", "alice"), ("nt_hash", "", "nobody")]


def test_a_user_without_hash_cannot_be_entered_with_the_stand_in_hash(log_on: LogOn) -> None:
    assert refused(log_on, Initiator("nobody", nt_hash=bytes(16))) is Status.LOGON_FAILURE


def test_disabled_account_is_told_so_after_the_right_password_only(log_on: LogOn) -> None:
    assert refused(log_on, Initiator("locked", "wrong")) is Status.LOGON_FAILURE
    assert refused(log_on, Initiator("locked", "Secret")) is Status.ACCOUNT_DISABLED


def test_account_that_vanishes_during_the_logon_is_a_logon_failure(log_on: LogOn) -> None:
    assert refused(log_on, Initiator("gone", "Secret")) is Status.LOGON_FAILURE


def test_an_empty_password_is_a_password(log_on: LogOn) -> None:
    step = log_on(Initiator("empty", ""))
    assert step.identity is not None
    assert step.identity.name == "empty"


def test_upper_case_of_a_name_is_one_letter_for_one(log_on: LogOn) -> None:
    step = log_on(Initiator("straße", "Weg"))
    assert step.identity is not None
    assert step.identity.name == "straße"


@pytest.mark.parametrize("spnego_", [True, False], ids=["spnego", "bare"])
def test_anonymous_is_refused_unless_allowed(log_on: LogOn, spnego_: bool) -> None:
    assert refused(log_on, Initiator("", anonymous=True, spnego=spnego_)) is Status.LOGON_FAILURE
    client = Initiator("", anonymous=True, spnego=spnego_)
    step = log_on(client, allow_anonymous=True)
    assert step.anonymous
    assert not step.guest
    assert step.session_key == client.session_key
    assert step.identity is not None
    assert step.identity.token.user == sid.ANONYMOUS
    assert step.identity.token.anonymous
    assert sid.AUTHENTICATED_USERS not in step.identity.token.sids


@pytest.mark.parametrize("spnego_", [True, False], ids=["spnego", "bare"])
def test_unknown_user_is_a_guest_if_guests_are_allowed(log_on: LogOn, spnego_: bool) -> None:
    assert refused(log_on, Initiator("nobody", "any", spnego=spnego_)) is Status.LOGON_FAILURE
    step = log_on(Initiator("nobody", "any", spnego=spnego_), allow_guest=True)
    assert step.guest
    assert not step.anonymous
    assert step.session_key == b""
    assert step.identity is not None
    assert step.identity.token.guest
    assert sid.GUESTS in step.identity.token.sids
    assert sid.AUTHENTICATED_USERS not in step.identity.token.sids


@pytest.mark.parametrize("user", ["alice", "locked"])
def test_a_wrong_password_never_makes_a_guest(log_on: LogOn, user: str) -> None:
    assert refused(log_on, Initiator(user, "wrong"), allow_guest=True) is Status.LOGON_FAILURE


def test_allowing_anonymous_does_not_let_unknown_users_in(log_on: LogOn) -> None:
    assert refused(log_on, Initiator("nobody", ""), allow_anonymous=True) is Status.LOGON_FAILURE


BINDINGS = b"tls-server-end-point:" + bytes(range(32))


@pytest.mark.parametrize("spnego_", [True, False], ids=["spnego", "bare"])
def test_channel_bindings_that_match_are_accepted(log_on: LogOn, spnego_: bool) -> None:
    assert log_on(Initiator("bob", "Secret", spnego=spnego_, channel_bindings=BINDINGS), bindings=BINDINGS).done


@pytest.mark.parametrize("client", [None, b"", BINDINGS[:-1] + b"x"])
def test_other_or_no_channel_bindings_are_refused_on_a_channel_that_has_some(
    log_on: LogOn, client: bytes | None
) -> None:
    status = refused(log_on, Initiator("bob", "Secret", channel_bindings=client), bindings=BINDINGS)
    assert status is Status.LOGON_FAILURE


def test_channel_bindings_of_the_library_are_understood(log_on: LogOn) -> None:
    cb = spnego.channel_bindings.GssChannelBindings(application_data=BINDINGS)
    assert log_on(LibraryClient("bob", "Secret", "ntlm", channel_bindings=cb), hint=False, bindings=BINDINGS).done


def test_bindings_of_the_client_do_not_matter_where_the_channel_has_none(log_on: LogOn) -> None:
    assert log_on(Initiator("bob", "Secret", channel_bindings=BINDINGS)).done


@pytest.mark.parametrize(
    "token", [b"", bytes(MAX_TOKEN + 1), b"NTLMSSP\0", b"\x60", b"garbage", b"\xa1\x00", b"\xa1\x02\x30\x00"]
)
def test_tokens_that_cannot_be_are_an_invalid_parameter(authenticator: Make, token: bytes) -> None:
    with pytest.raises(NtError) as caught:
        authenticator().begin().step(token)
    assert caught.value.status in (Status.INVALID_PARAMETER, Status.LOGON_FAILURE)


def test_a_token_of_the_largest_size_is_looked_at(authenticator: Make) -> None:
    token = Initiator("alice", spnego=False).step(None).ljust(MAX_TOKEN, b"\0")
    assert not authenticator().begin().step(token).done


def test_nothing_follows_an_error(authenticator: Make) -> None:
    exchange = authenticator().begin()
    with pytest.raises(NtError):
        exchange.step(b"garbage")
    with pytest.raises(NtError) as caught:
        exchange.step(Initiator("alice").step(None))
    assert caught.value.status is Status.INVALID_PARAMETER


def test_nothing_follows_success(authenticator: Make) -> None:
    exchange, client = authenticator().begin(), Initiator("bob", "Secret")
    token = client.step(exchange.step(client.step(None)).reply)
    assert exchange.step(token).done
    with pytest.raises(NtError) as caught:
        exchange.step(token)
    assert caught.value.status is Status.INVALID_PARAMETER


def test_an_exchange_does_not_go_on_for_ever(authenticator: Make) -> None:
    exchange = authenticator().begin()
    exchange.step(Initiator("alice").step(None))
    empty = bytes.fromhex("a1073005a0030a0101")
    for _ in range(MAX_LEGS - 1):
        assert not exchange.step(empty).done
    with pytest.raises(NtError):
        exchange.step(empty)


def test_each_exchange_has_a_challenge_of_its_own(authenticator: Make) -> None:
    auth, first = authenticator(), Initiator("alice", spnego=False).step(None)
    assert len({auth.begin().step(first).reply[24:32] for _ in range(20)}) == 20


def test_interleaved_exchanges_do_not_disturb_each_other(authenticator: Make) -> None:
    auth = authenticator()
    clients = [Initiator("alice", PASSWORD), Initiator("bob", "Secret"), Initiator("bob", "wrong")]
    exchanges = [auth.begin() for _ in clients]
    replies = [e.step(c.step(None)).reply for e, c in zip(exchanges, clients, strict=True)]
    tokens = [c.step(r) for c, r in zip(clients, replies, strict=True)]
    with pytest.raises(NtError):
        exchanges[2].step(tokens[2])
    names = [e.step(t).identity for e, t in zip(exchanges[:2], tokens[:2], strict=True)]
    assert [n.name for n in names if n] == ["alice", "bob"]


def test_a_failing_account_store_is_our_fault_not_the_clients(log_on: LogOn, accounts: Any) -> None:
    accounts.nt_hash = lambda *names: {}[names]
    assert refused(log_on, Initiator("alice", PASSWORD)) is Status.INTERNAL_ERROR
    del accounts.nt_hash
    accounts.identity = lambda *names: {}[names]
    assert refused(log_on, Initiator("alice", PASSWORD)) is Status.INTERNAL_ERROR


def test_the_librarys_environment_settings_change_nothing(log_on: LogOn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_COMPAT_LEVEL", "0")
    monkeypatch.setenv("NTLM_USER_FILE", "/nonexistent")
    assert refused(log_on, LibraryClient("alice", PASSWORD, "ntlm"), hint=False) is Status.LOGON_FAILURE
    monkeypatch.setenv("LM_COMPAT_LEVEL", "5")
    assert log_on(LibraryClient("alice", PASSWORD, "ntlm"), hint=False).done


def test_secrets_do_not_show(log_on: LogOn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client = Initiator("alice", PASSWORD, spnego=False)
    step = log_on(client)
    assert step.session_key.hex() not in repr(step)
    assert repr(step.session_key) not in repr(step)
    assert not [r for r in caplog.records if "token" in r.message.lower() or "input" in r.message]
