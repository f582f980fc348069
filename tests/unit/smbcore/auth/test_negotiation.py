"""SPNEGO: choice of the mechanism, optimistic tokens, the MIC over the list, states that the client claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from spnego._context import GSSMech
from spnego._spnego import NegState, NegTokenInit, NegTokenResp, pack_mech_type_list, unpack_token

from smbcore.auth.acceptor import MECHANISMS, Authenticator, Exchange
from smbcore.auth.initiator import Initiator
from smbcore.auth.mechanism import MechanismFactory
from smbcore.nt.status import NtError, Status

Make = Callable[..., Authenticator]
NTLM, KRB5, MS_KRB5, NEGOEX = (
    GSSMech.ntlm.value,
    GSSMech.kerberos.value,
    "1.2.840.48018.1.2.2",
    "1.3.6.1.4.1.311.2.2.30",
)


class Ntlm:
    """Bare NTLM tokens, and the MIC that a client puts over its mechanism list."""

    def __init__(self, user: str = "bob", password: str = "Secret") -> None:
        self.initiator = Initiator(user, password, spnego=False)
        self.context: Any = self.initiator._ntlm

    def step(self, token: bytes | None = None) -> bytes:
        return self.initiator.step(token)

    def mic(self, mechs: list[str]) -> bytes:
        code: bytes = self.context.sign(pack_mech_type_list(mechs))
        self.context._reset_ntlm_crypto_state()
        return code

    def accepts(self, mechs: list[str], code: bytes | None) -> bool:
        return code is not None and self.context.verify(pack_mech_type_list(mechs), code) == 0


def init(mechs: list[str], token: bytes | None = None, mic: bytes | None = None) -> bytes:
    return NegTokenInit(mechs, mech_token=token, mech_list_mic=mic).pack()


def response(
    token: bytes | None = None, mic: bytes | None = None, state: NegState | None = None, mech: str | None = None
) -> bytes:
    return NegTokenResp(state, mech, token, mic).pack()


def answer(reply: bytes) -> NegTokenResp:
    parsed = unpack_token(reply)
    assert isinstance(parsed, NegTokenResp)
    return parsed


def status_of(exchange: Exchange, token: bytes) -> Status:
    with pytest.raises(NtError) as caught:
        exchange.step(token)
    return caught.value.status


def challenged(auth: Authenticator, client: Ntlm, mechs: list[str] | None = None) -> tuple[Exchange, bytes]:
    """An exchange after its first leg, and the client's AUTHENTICATE_MESSAGE."""
    exchange = auth.begin()
    first = answer(exchange.step(init(mechs or [NTLM], client.step())).reply)
    assert first.response_token is not None
    return exchange, client.step(first.response_token)


def test_first_choice_ntlm_is_taken_at_once_and_no_mic_demanded(authenticator: Make) -> None:
    exchange = authenticator().begin()
    client = Ntlm()
    first = answer(exchange.step(init([NTLM, NEGOEX], client.step())).reply)
    assert (first.neg_state, first.supported_mech) == (NegState.accept_incomplete, NTLM)
    step = exchange.step(response(client.step(first.response_token)))
    last = answer(step.reply)
    assert step.done
    assert (last.neg_state, last.supported_mech, last.response_token, last.mech_list_mic) == (
        NegState.accept_complete,
        None,
        None,
        None,
    )


def test_mic_of_the_client_is_checked_and_answered(authenticator: Make) -> None:
    client = Ntlm()
    exchange, token = challenged(authenticator(), client)
    step = exchange.step(response(token, client.mic([NTLM])))
    assert step.done
    assert client.accepts([NTLM], answer(step.reply).mech_list_mic)


def test_mic_over_another_list_is_a_logon_failure(authenticator: Make) -> None:
    client = Ntlm()
    exchange, token = challenged(authenticator(), client)
    assert status_of(exchange, response(token, client.mic([KRB5, NTLM]))) is Status.LOGON_FAILURE


def test_optimistic_token_of_another_mechanism_is_dropped(authenticator: Make) -> None:
    """RFC 4178 4.2.1: a Windows client in a domain, with a ticket for a server that has no Kerberos."""
    mechs = [MS_KRB5, KRB5, NEGOEX, NTLM]
    exchange, client = authenticator().begin(), Ntlm()
    first = answer(exchange.step(init(mechs, b"\x60\x10 a ticket, not NTLM")).reply)
    assert (first.neg_state, first.supported_mech, first.response_token) == (NegState.request_mic, NTLM, None)
    second = answer(exchange.step(response(client.step())).reply)
    assert (second.neg_state, second.supported_mech) == (NegState.accept_incomplete, None)
    token = client.step(second.response_token)
    step = exchange.step(response(token, client.mic(mechs)))
    assert step.done
    last = answer(step.reply)
    assert last.neg_state is NegState.accept_complete
    assert client.accepts(mechs, last.mech_list_mic)


def test_init_without_token_gets_the_mechanism_named(authenticator: Make) -> None:
    exchange, client = authenticator().begin(), Ntlm()
    first = answer(exchange.step(init([NTLM])).reply)
    assert (first.neg_state, first.supported_mech, first.response_token) == (NegState.accept_incomplete, NTLM, None)
    second = answer(exchange.step(response(client.step())).reply)
    assert exchange.step(response(client.step(second.response_token))).done


def test_second_choice_needs_a_mic_to_complete(authenticator: Make) -> None:
    """Without it the server answers with its own and waits: nothing is done."""
    mechs = [KRB5, NTLM]
    exchange, client = authenticator().begin(), Ntlm()
    exchange.step(init(mechs, b"ticket"))
    token = client.step(answer(exchange.step(response(client.step())).reply).response_token)
    step = exchange.step(response(token))
    assert not step.done
    assert (step.identity, step.session_key) == (None, b"")
    assert client.accepts(mechs, answer(step.reply).mech_list_mic)
    step = exchange.step(response(None, client.mic(mechs)))
    assert (step.done, step.reply) == (True, b"")
    assert step.identity is not None


def test_second_choice_with_a_mic_over_a_shortened_list_is_refused(authenticator: Make) -> None:
    """A downgrade: somebody put a mechanism the server lacks in front, or took one away."""
    exchange, client = authenticator().begin(), Ntlm()
    exchange.step(init([KRB5, NTLM], b"ticket"))
    token = client.step(answer(exchange.step(response(client.step())).reply).response_token)
    assert status_of(exchange, response(token, client.mic([NTLM]))) is Status.LOGON_FAILURE


@pytest.mark.parametrize("mechs", [[KRB5], [NEGOEX], [MS_KRB5, KRB5], []])
def test_no_mechanism_in_common_is_a_logon_failure(authenticator: Make, mechs: list[str]) -> None:
    assert status_of(authenticator().begin(), init(mechs, b"token")) is Status.LOGON_FAILURE


def test_client_cannot_declare_itself_accepted(authenticator: Make) -> None:
    auth = authenticator()
    exchange = auth.begin()
    exchange.step(init([NTLM]))
    assert not exchange.step(response(state=NegState.accept_complete)).done
    exchange, token = challenged(auth, Ntlm("bob", "wrong"))
    assert status_of(exchange, response(token, state=NegState.accept_complete)) is Status.LOGON_FAILURE


def test_client_that_says_complete_with_the_right_proof_is_answered(authenticator: Make) -> None:
    exchange, token = challenged(authenticator(), Ntlm())
    step = exchange.step(response(token, state=NegState.accept_complete))
    assert step.done
    assert answer(step.reply).neg_state is NegState.accept_complete


def test_client_that_rejects_ends_the_exchange(authenticator: Make) -> None:
    exchange = authenticator().begin()
    exchange.step(init([NTLM], Ntlm().step()))
    assert status_of(exchange, response(state=NegState.reject)) is Status.INVALID_PARAMETER


def test_client_cannot_switch_to_a_mechanism_that_was_not_agreed(authenticator: Make) -> None:
    exchange, token = challenged(authenticator(), Ntlm())
    assert status_of(exchange, response(token, mech=KRB5)) is Status.INVALID_PARAMETER


def test_response_before_init_is_refused(authenticator: Make) -> None:
    assert status_of(authenticator().begin(), response(Ntlm().step())) is Status.INVALID_PARAMETER


def test_negotiation_cannot_start_anew_within_an_exchange(authenticator: Make) -> None:
    exchange, token = challenged(authenticator(), Ntlm())
    assert status_of(exchange, init([NTLM], token)) is Status.INVALID_PARAMETER


def test_wrapped_and_bare_tokens_do_not_mix(authenticator: Make) -> None:
    auth = authenticator()
    exchange, token = challenged(auth, Ntlm())
    assert status_of(exchange, token) is Status.INVALID_PARAMETER
    exchange, client = auth.begin(), Ntlm()
    reply = exchange.step(client.step()).reply
    assert status_of(exchange, response(client.step(reply))) is Status.INVALID_PARAMETER


def test_mic_equal_to_the_token_is_no_mic(authenticator: Make) -> None:
    """Old clients repeat the token where the MIC belongs."""
    exchange, token = challenged(authenticator(), Ntlm())
    assert exchange.step(response(token, token)).done


def test_client_that_did_not_agree_on_signing_owes_no_mic(authenticator: Make) -> None:
    client = Ntlm("", "")
    client.initiator = Initiator("", anonymous=True, spnego=False)
    exchange = authenticator(allow_anonymous=True).begin()
    exchange.step(init([KRB5, NTLM], b"ticket"))
    token = client.step(answer(exchange.step(response(client.step())).reply).response_token)
    step = exchange.step(response(token))
    assert (step.done, step.anonymous) == (True, True)
    assert answer(step.reply).neg_state is NegState.accept_complete


def test_mechanisms_are_a_dictionary_that_others_plug_into(authenticator: Make) -> None:
    """The server's order decides; a hint lists what is there."""
    made: list[str] = []

    def kerberos(environment: Any) -> Any:
        made.append(environment.names.netbios)
        return MECHANISMS[GSSMech.ntlm](environment)

    both: Mapping[GSSMech, MechanismFactory] = MappingProxyType({GSSMech.kerberos: kerberos, **MECHANISMS})
    auth = authenticator(mechanisms=both)
    assert auth.hint().index(bytes.fromhex("2a864886f712010202")) < auth.hint().index(
        bytes.fromhex("2b06010401823702020a")
    )
    first = answer(auth.begin().step(init([NTLM, MS_KRB5], Ntlm().step())).reply)
    assert (first.neg_state, first.supported_mech) == (NegState.request_mic, MS_KRB5)
    assert made == ["HOLDFAST"]
    ntlm_only = answer(auth.begin().step(init([NTLM], Ntlm().step())).reply)
    assert ntlm_only.neg_state is NegState.accept_incomplete
    assert made == ["HOLDFAST"]
