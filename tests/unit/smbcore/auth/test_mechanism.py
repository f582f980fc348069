"""What mechanisms work with: names, the guest, the store behind a guard."""

from __future__ import annotations

import os
from typing import Any

import pytest

from smbcore.auth.accounts import Identity
from smbcore.auth.mechanism import Environment, Outcome, ServerNames, anonymous_identity
from smbcore.nt import sid
from smbcore.nt.clock import ManualClock
from smbcore.nt.status import NtError, Status
from smbcore.nt.token import Token

NAMES = ServerNames("HOLDFAST", "holdfast.example.org", "WORKGROUP")


class Store:
    def __init__(self, hash_: Any = None, identity: Any = None) -> None:
        self.hash, self.found = hash_, identity

    def nt_hash(self, domain: str, user: str) -> bytes | None:
        found: bytes | None = _give(self.hash)
        return found

    def identity(self, domain: str, user: str) -> Identity | None:
        found: Identity | None = _give(self.found)
        return found


def _give(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


def environment(store: Store) -> Environment:
    return Environment(store, NAMES, False, True, None, ManualClock(), os.urandom)


@pytest.mark.parametrize(("dns", "domain"), [("holdfast.example.org", "example.org"), ("holdfast", "holdfast")])
def test_a_host_without_domain_is_its_own(dns: str, domain: str) -> None:
    assert ServerNames("HOLDFAST", dns, "W").dns_domain == domain


@pytest.mark.parametrize("value", [None, b"", b"short", b"x" * 17])
def test_only_16_bytes_are_a_hash(value: bytes | None) -> None:
    assert environment(Store(value)).nt_hash("", "u") is None


def test_the_stores_own_verdict_passes() -> None:
    with pytest.raises(NtError) as caught:
        environment(Store(identity=NtError(Status.ACCOUNT_LOCKED_OUT))).identity("", "u")
    assert caught.value.status is Status.ACCOUNT_LOCKED_OUT


@pytest.mark.parametrize("call", ["nt_hash", "identity"])
def test_a_failing_store_is_an_internal_error(call: str) -> None:
    with pytest.raises(NtError) as caught:
        getattr(environment(Store(OSError("disk"), OSError("disk"))), call)("", "u")
    assert caught.value.status is Status.INTERNAL_ERROR


def test_guest_is_the_stores_account_if_it_has_one() -> None:
    user = sid.Sid.parse("S-1-5-21-1-2-3-501")
    own = Token(
        user, frozenset({sid.AUTHENTICATED_USERS, sid.ADMINISTRATORS, sid.USERS}), frozenset({"SeBackupPrivilege"})
    )
    token = environment(Store(identity=Identity("guest", own))).guest().token
    assert token.user == user
    assert token.guest
    assert token.groups == {sid.EVERYONE, sid.NETWORK, sid.GUESTS, sid.USERS}
    assert token.privileges == frozenset()


def test_guest_of_a_store_without_one_is_a_member_of_guests_only() -> None:
    token = environment(Store()).guest().token
    assert token.guest
    assert token.sids == {sid.GUESTS, sid.EVERYONE, sid.NETWORK}


def test_a_disabled_guest_account_lets_nobody_in() -> None:
    with pytest.raises(NtError) as caught:
        environment(Store(identity=NtError(Status.ACCOUNT_DISABLED))).guest()
    assert caught.value.status is Status.LOGON_FAILURE


def test_a_store_that_fails_over_the_guest_is_an_internal_error() -> None:
    with pytest.raises(NtError) as caught:
        environment(Store(identity=OSError("disk"))).guest()
    assert caught.value.status is Status.INTERNAL_ERROR


def test_keys_do_not_show() -> None:
    assert "k" * 16 not in repr(Outcome(anonymous_identity(), b"k" * 16))
