"""The state of a compound."""

from __future__ import annotations

from types import SimpleNamespace

from smbcore.server.chain import Chain
from smbcore.wire.header import FLAG_RELATED, READ, Header


def chain_of(*members: bytes) -> Chain:
    chain = Chain(SimpleNamespace(), [memoryview(member) for member in members], None)
    chain.index = 1
    return chain


def test_a_related_member_needs_the_one_before() -> None:
    first, related = Header(READ).encode(), Header(READ, flags=FLAG_RELATED).encode()
    assert chain_of(first, related).is_needed
    assert not chain_of(first, first).is_needed
    assert not chain_of(first).is_needed


def test_a_member_without_a_header_needs_nothing() -> None:
    assert not chain_of(Header(READ).encode(), b"garbage!" * 8).is_needed
