"""Bodies of a StructureSize alone."""

from __future__ import annotations

from smbcore.wire.echo import EchoRequest
from smbcore.wire.empty import EMPTY_BODY, EmptyMessage
from smbcore.wire.logoff import LogoffRequest
from smbcore.wire.reader import BodyReader


def test_reserved_bytes_and_what_follows_are_ignored() -> None:
    assert EmptyMessage.decode(BodyReader.over_body(b"\x04\0\xff\xffmore")) == EmptyMessage()


def test_prepared_body_is_the_encoded_one() -> None:
    assert EchoRequest().encode() == EMPTY_BODY == b"\x04\0\0\0"


def test_commands_are_not_equal_to_each_other() -> None:
    assert EchoRequest() != LogoffRequest()
