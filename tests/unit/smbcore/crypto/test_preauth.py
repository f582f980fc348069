"""The preauth hash against the exchange that Microsoft published."""

import json
from pathlib import Path

from smbcore.crypto.preauth import PreauthHash

CHAIN = json.loads((Path(__file__).parents[3] / "data" / "crypto" / "preauth_311.json").read_text())["chain"]


def test_follows_the_published_chain() -> None:
    preauth = PreauthHash()
    for step in CHAIN:
        preauth.update(bytes.fromhex(step["message"]))
        assert preauth.value == bytes.fromhex(step["hash"])


def test_a_message_may_come_in_parts() -> None:
    whole, parts = PreauthHash(), PreauthHash()
    whole.update(b"header and body")
    parts.update(b"header ", memoryview(b"and "), bytearray(b"body"))
    assert whole.value == parts.value


def test_a_copy_goes_its_own_way() -> None:
    connection = PreauthHash()
    connection.update(b"negotiate")
    session = connection.copy()
    session.update(b"session setup")
    assert session.value != connection.value
    assert connection.copy().value == connection.value


def test_starts_from_64_zero_bytes() -> None:
    assert PreauthHash().value == bytes(64)
