"""Checks that every decoder test needs."""

from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError


def _check(decode, data, *, least=None):
    for length in range(len(data) if least is None else least):
        with pytest.raises(WireError):
            decode(data[:length])


def _check_both_ways(value, wire, *, least=None):
    data = bytes.fromhex(wire)
    assert value.encode() == data
    assert type(value).decode(memoryview(data)) == value
    _check(type(value).decode, data, least=least)


@pytest.fixture
def goes_both_ways():
    """`check(value, hex)`: it encodes to that and decodes from it, and every truncation is refused as below."""
    return _check_both_ways


@pytest.fixture
def refuses_every_truncation():
    """`check(decode, data)`: every proper prefix (shorter than `least`, if given) raises WireError."""
    return _check
