"""The response that three commands share."""

from __future__ import annotations

import pytest

from smbcore.wire.output import OUTPUT_OFFSET, OutputResponse
from smbcore.wire.reader import BodyReader


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_output_of_any_buffer_type_is_joined_once(kind: type) -> None:
    body = OutputResponse(kind(b"entry")).encode()
    assert body.hex() == "09004800" + "05000000" + b"entry".hex()


def test_decoded_output_is_a_view_into_the_frame() -> None:
    frame = bytearray(64) + OutputResponse(b"abc").encode()
    output = OutputResponse.decode(BodyReader(memoryview(frame))).output
    frame[OUTPUT_OFFSET] = ord("x")
    assert bytes(output) == b"xbc"


def test_output_may_stand_further_back() -> None:
    body = bytes.fromhex("0900 5000 03000000") + bytes(8) + b"abc"
    assert OutputResponse.decode(BodyReader.over_body(body)) == OutputResponse(b"abc")
