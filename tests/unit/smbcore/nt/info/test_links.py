from __future__ import annotations

import pytest

from smbcore.nt.errors import WireError
from smbcore.nt.info.links import (
    MAIN_STREAM,
    LinkEntry,
    StreamEntry,
    decode_links,
    decode_streams,
    encode_links,
    encode_streams,
)

STREAMS = [StreamEntry(MAIN_STREAM, 5, 4096), StreamEntry(":s:$DATA", 1, 8)]
STREAMS_WIRE = (
    "28000000 0e000000 0500000000000000 0010000000000000 3a003a0024004400410054004100 0000"
    "00000000 10000000 0100000000000000 0800000000000000 3a0073003a00240044004100540041 00"
)


def test_streams_both_ways():
    """[MS-FSCC 2.4]"""
    data = bytes.fromhex(STREAMS_WIRE)
    assert encode_streams(STREAMS) == data
    assert decode_streams(data) == STREAMS
    for length in range(1, len(data)):
        with pytest.raises(WireError):
            decode_streams(data[:length])


def test_no_streams():
    assert encode_streams([]) == b""
    assert decode_streams(b"") == []


def test_links_both_ways(refuses_every_truncation):
    """[MS-FSCC 2.4]"""
    links = [LinkEntry(5, "ab"), LinkEntry(6, "c")]
    data = bytes.fromhex(
        "36000000 02000000"
        "18000000 00000000 0500000000000000 02000000 61006200"
        "00000000 00000000 0600000000000000 01000000 6300"
    )
    assert encode_links(links) == data
    assert decode_links(data) == links
    refuses_every_truncation(decode_links, data)
    assert decode_links(encode_links([])) == []
