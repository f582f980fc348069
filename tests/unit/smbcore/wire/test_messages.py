"""The tables of messages, and random bytes for every decoder of the package."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smbcore.wire import apple_contexts, create, create_contexts, error, negotiate_contexts, oplock_break
from smbcore.wire import header as header_module
from smbcore.wire.errors import WireError
from smbcore.wire.header import HEADER_SIZE, Header, Opcode
from smbcore.wire.messages import REQUESTS, RESPONSES
from smbcore.wire.reader import BodyReader
from smbcore.wire.smb1 import MultiProtocolNegotiate
from smbcore.wire.transform import PatternPayload, TransformHeader, decode_compressed
from smbcore.wire.write import peek_data

if TYPE_CHECKING:
    from collections.abc import Callable

BODIES: list[Any] = [
    *REQUESTS.values(),
    *RESPONSES.values(),
    error.ErrorResponse,
    oplock_break.OplockBreakNotification,
    oplock_break.OplockBreakAcknowledgment,
    oplock_break.OplockBreakResponse,
    oplock_break.LeaseBreakNotification,
    oplock_break.LeaseBreakAcknowledgment,
    oplock_break.LeaseBreakResponse,
]
PICKERS = [
    oplock_break.decode_break_notification,
    oplock_break.decode_break_acknowledgment,
    oplock_break.decode_break_response,
]
DATA: list[Callable[[Any], object]] = [
    header_module.unpack,
    Header.decode,
    TransformHeader.decode,
    decode_compressed,
    PatternPayload.decode,
    MultiProtocolNegotiate.decode,
    peek_data,
    create.decode_contexts,
    lambda data: negotiate_contexts.decode_contexts(data, 4),
    *(kind.decode for kind in (error.SymlinkError, error.ShareRedirect, error.BufferNeeded)),
    *(kind.decode for kind in vars(negotiate_contexts).values() if isinstance(kind, type) and hasattr(kind, "decode")),
    *(
        kind.decode
        for module in (create_contexts, apple_contexts)
        for kind in vars(module).values()
        if isinstance(kind, type) and hasattr(kind, "NAME")
    ),
    create_contexts.decode_lease,
    apple_contexts.apple_command,
]
STRUCTURE_SIZES = (2, 4, 9, 16, 17, 24, 25, 32, 33, 36, 41, 44, 48, 49, 57, 60, 65, 89)
FUZZ = settings(max_examples=60, deadline=None)


def structure_size(kind: Any) -> int:
    """Return the StructureSize that this message accepts."""
    for size in STRUCTURE_SIZES:
        with contextlib.suppress(WireError):
            kind.decode(BodyReader.over_body(size.to_bytes(2, "little") + bytes(200)))
            return size
    raise AssertionError(f"no StructureSize fits {kind.__name__}")


def near_the_edges(raw: bytes) -> bytes:
    """Make bytes in which offsets and lengths are often near the edges of the message."""
    return b"".join(
        value.to_bytes(2, "little")
        if value < 0x80
        else (value - 0x40).to_bytes(4, "little")
        if value < 0xC0
        else bytes(value - 0xC0)
        if value < 0xD0
        else bytes((value, value))
        for value in raw
    )


likely = st.binary(max_size=60).map(near_the_edges)


def test_every_command_has_its_messages() -> None:
    two_kinds = {Opcode.OPLOCK_BREAK, Opcode.SERVER_TO_CLIENT_NOTIFICATION}
    assert set(REQUESTS) == set(Opcode) - two_kinds
    assert set(RESPONSES) == set(Opcode) - {Opcode.OPLOCK_BREAK, Opcode.CANCEL}


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        REQUESTS[0] = REQUESTS[1]  # type: ignore[index]


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
def test_header_alone_is_no_message(kind: Any) -> None:
    for length in range(HEADER_SIZE + 2):
        with pytest.raises(WireError):
            kind.decode(BodyReader(memoryview(bytes(length))))


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
def test_only_wire_errors_come_out_of_bodies(kind: Any) -> None:
    sizes = st.one_of(st.just(structure_size(kind)), st.integers(0, 0xFFFF))

    @FUZZ
    @given(sizes, st.one_of(likely, st.binary()))
    def run(size: int, rest: bytes) -> None:
        with contextlib.suppress(WireError):
            kind.decode(BodyReader.over_body(size.to_bytes(2, "little") + rest))

    run()


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
def test_what_was_read_can_be_written_and_read_again(kind: Any) -> None:
    """Encoding drops padding and order of the blocks, never meaning."""

    size = structure_size(kind).to_bytes(2, "little")

    @settings(FUZZ, max_examples=200)
    @given(likely)
    def run(rest: bytes) -> None:
        try:
            value = kind.decode(BodyReader.over_body(size + rest))
        except WireError:
            return
        assert kind.decode(BodyReader.over_body(value.encode())) == value

    run()


@pytest.mark.parametrize("decode", PICKERS, ids=lambda decode: decode.__name__)
def test_only_wire_errors_come_out_of_breaks(decode: Any) -> None:
    @FUZZ
    @given(st.one_of(st.sampled_from((24, 36, 44)), st.integers(0, 0xFFFF)), st.binary(max_size=60))
    def run(size: int, rest: bytes) -> None:
        with contextlib.suppress(WireError):
            decode(BodyReader.over_body(size.to_bytes(2, "little") + rest))

    run()


PREFIXES = (b"", b"\xfeSMB\x40\0", b"\xfdSMB", b"\xfcSMB", b"\xffSMB\x72")


@pytest.mark.parametrize("decode", DATA, ids=lambda decode: decode.__qualname__)
def test_only_wire_errors_come_out_of_data(decode: Any) -> None:
    @FUZZ
    @given(st.sampled_from(PREFIXES), st.one_of(likely, st.binary()))
    def run(prefix: bytes, rest: bytes) -> None:
        with contextlib.suppress(WireError):
            decode(memoryview(prefix + rest))

    run()
