"""A small account store and a way to run both sides against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from smbcore.auth.acceptor import Authenticator, ServerNames, Step
from smbcore.auth.accounts import Identity
from smbcore.crypto.md4 import nt_hash
from smbcore.nt import sid
from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

PASSWORDS = {
    "alice": "Pässw0rd! 1",
    "bob": "Secret",
    "straße": "Weg",
    "locked": "Secret",
    "gone": "Secret",
    "empty": "",
}


class Accounts:
    """Names without case, any domain; `locked` is disabled, `gone` vanishes during its logon."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def nt_hash(self, domain: str, user: str) -> bytes | None:
        self.asked.append(("nt_hash", domain, user))
        password = PASSWORDS.get(user.lower())
        return nt_hash(password) if password is not None else None

    def identity(self, domain: str, user: str) -> Identity | None:
        self.asked.append(("identity", domain, user))
        name = user.lower()
        if name == "locked":
            raise NtError(Status.ACCOUNT_DISABLED, name)
        if name not in PASSWORDS or name == "gone":
            return None
        return Identity(name, Token(sid.USERS, name=name))


class Client(Protocol):
    """What our initiator and the library's contexts are both wrapped as."""

    def step(self, token: bytes | None) -> bytes:
        """The next token to send."""
        ...


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def authenticator(accounts: Accounts) -> Callable[..., Authenticator]:
    def make(**options: Any) -> Authenticator:
        names = ServerNames("HOLDFAST", "holdfast.example.org", "WORKGROUP")
        return Authenticator(accounts, names, **{"clock": ManualClock(), **options})

    return make


@pytest.fixture
def log_on(authenticator: Callable[..., Authenticator]) -> Callable[..., Step]:
    """Run a client against a server with the given options until the server is done; the last Step."""

    def run(client: Client, *, bindings: bytes | None = None, hint: bool = True, **options: Any) -> Step:
        auth = authenticator(**options)
        exchange = auth.begin(bindings)
        token = client.step(auth.hint() if hint else None)
        for _ in range(4):
            step = exchange.step(token)
            if step.done:
                assert client.step(step.reply) == b""
                return step
            token = client.step(step.reply)
        raise AssertionError("no end")

    return run
