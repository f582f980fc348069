from __future__ import annotations

import pytest

from smbcore.server.reporting import NoTrail, host
from smbcore.state.incidents import Incident


@pytest.mark.parametrize(("peer", "expected"), [
    ("10.0.0.7:50123", "10.0.0.7"), ("[fd00::7]:50123", "fd00::7"), ("[fe80::1%eth0]:1", "fe80::1%eth0"),
    ("somewhere", "somewhere"),
])  # fmt: skip
def test_host_is_the_address_without_the_port(peer, expected):
    assert host(peer) == expected


def test_without_a_trail_everything_is_news():
    assert NoTrail().report(Incident("sign_in"))
