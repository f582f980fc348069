"""Mutated tokens: nothing but NtError comes out, and nobody gets in who does not know the password."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from smbcore.auth.acceptor import Authenticator, ServerNames, Step
from smbcore.auth.initiator import Initiator
from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError

RECORDED = json.loads((Path(__file__).parents[3] / "data" / "auth" / "recorded.json").read_text())
CHALLENGE = bytes.fromhex(RECORDED["challenge"])
PAIRS = [tuple(map(bytes.fromhex, e["tokens"])) for e in RECORDED["exchanges"]]
ROUNDS = 3000


def mutate(rng: random.Random, token: bytes) -> bytes:
    out = bytearray(token)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(out) or 1)
        match rng.randrange(7):
            case 0:
                out[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                out[at : at + 1] = bytes([(out[at : at + 1] or b"\0")[0] ^ 1 << rng.randrange(8)])
            case 2:
                del out[at:]
            case 3:
                del out[at : at + rng.randrange(1, 9)]
            case 4:
                out[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 5:
                out[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\x00\x01\0\0"))
            case _:
                other = rng.choice(rng.choice(PAIRS))
                out[at:] = other[rng.randrange(len(other)) :]
    return bytes(out)


def run(auth: Authenticator, tokens: list[bytes]) -> Step | None:
    """Feed tokens until the exchange ends; anything but NtError fails the test by itself."""
    exchange = auth.begin()
    try:
        for token in tokens:
            step = exchange.step(token)
            if step.done:
                return step
    except NtError:
        pass
    return None


@pytest.fixture
def make(authenticator: Callable[..., Authenticator]) -> Callable[..., Authenticator]:
    return lambda **o: authenticator(clock=ManualClock(RECORDED["now"]), urandom=lambda n: CHALLENGE[:n], **o)


def test_mutated_tokens_give_nothing_but_nt_errors(make: Callable[..., Authenticator]) -> None:
    rng = random.Random(20)
    auth = make(allow_anonymous=True, allow_guest=True)
    for _ in range(ROUNDS):
        tokens = list(rng.choice(PAIRS))
        which = rng.randrange(2)
        tokens[which] = mutate(rng, tokens[which])
        run(auth, tokens)


class NoAccounts:
    def nt_hash(self, domain: str, user: str) -> bytes | None:
        return bytes(16)

    def identity(self, domain: str, user: str) -> None:
        raise AssertionError("asked for an identity without the password")


def test_no_mutation_gets_anybody_in_who_does_not_know_the_password() -> None:
    rng = random.Random(21)
    auth = Authenticator(
        NoAccounts(),
        ServerNames(**RECORDED["server"]),
        clock=ManualClock(RECORDED["now"]),
        urandom=lambda n: CHALLENGE[:n],
    )
    for _ in range(ROUNDS):
        tokens = [mutate(rng, t) if rng.random() < 0.7 else t for t in rng.choice(PAIRS)]
        assert run(auth, [*tokens, rng.choice(PAIRS)[1]]) is None


def test_mutated_server_tokens_give_the_client_nothing_but_nt_errors(make: Callable[..., Authenticator]) -> None:
    rng = random.Random(22)
    auth = make()
    for round_ in range(600):
        client = Initiator("alice", RECORDED["password"], spnego=bool(round_ % 3))
        exchange = auth.begin()
        try:
            first = client.step(mutate(rng, auth.hint()) if round_ % 4 == 0 else auth.hint())
            reply = exchange.step(first).reply
            reply = mutate(rng, reply) if round_ % 4 == 1 else reply
            second = exchange.step(client.step(reply)).reply
            if not client.complete:
                client.step(mutate(rng, second))
        except NtError:
            continue
