"""Checks that every decoder test needs."""

from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError


def _check(decode, data, *, least=None):
    for length in range(len(data) if least is None else least):
        with pytest.raises(WireError):
            decode(data[:length])


@pytest.fixture
def refuses_every_truncation():
    """`check(decode, data)`: every proper prefix (shorter than `least`, if given) raises WireError."""
    return _check
