"""Table checks that every codec test shares."""

from __future__ import annotations

from typing import Any

import pytest

from smbcore.wire.errors import WireError
from smbcore.wire.reader import HEADER_SIZE, BodyReader


class BodyCodec:
    """Checks one message body against its bytes; `wire` is hex with blanks between fields."""

    @staticmethod
    def decode(kind: Any, body: bytes) -> Any:
        return kind.decode(BodyReader.over_body(body))

    def both_ways(self, value: Any, wire: str) -> None:
        body = bytes.fromhex(wire)
        assert value.encode().hex() == body.hex()
        assert self.decode(type(value), body) == value

    def refuses_truncations(self, value: Any, wire: str, slack: int = 0) -> None:
        """Every shorter body is refused; `slack` counts filler bytes at the end that may be missing."""
        body = bytes.fromhex(wire)
        for length in range(len(body) - slack):
            with pytest.raises(WireError):
                self.decode(type(value), body[:length])
        with pytest.raises(WireError):
            type(value).decode(BodyReader(memoryview(bytes(HEADER_SIZE - 1))))

    def refuses_other_sizes(self, value: Any, wire: str) -> None:
        """Every StructureSize but the right one is refused."""
        body = bytes.fromhex(wire)
        right = int.from_bytes(body[:2], "little")
        for size in (0, right - 1, right + 1, 0xFFFF):
            with pytest.raises(WireError, match="StructureSize"):
                self.decode(type(value), size.to_bytes(2, "little") + body[2:])

    def refuses_patch(self, value: Any, wire: str, at: int, patch: str) -> None:
        """The body with `patch` written at byte `at` is refused."""
        body = bytearray.fromhex(wire)
        raw = bytes.fromhex(patch)
        body[at : at + len(raw)] = raw
        with pytest.raises(WireError):
            self.decode(type(value), bytes(body))


class DataCodec:
    """Checks the data of a context or another structure that is not a body."""

    def both_ways(self, value: Any, wire: str) -> None:
        data = bytes.fromhex(wire)
        assert value.encode().hex() == data.hex()
        assert type(value).decode(memoryview(data)) == value

    def refuses_truncations(self, value: Any, wire: str, *, but: tuple[int, ...] = ()) -> None:
        data = bytes.fromhex(wire)
        for length in range(len(data)):
            if length not in but:
                with pytest.raises(WireError):
                    type(value).decode(memoryview(data)[:length])

    def refuses_patch(self, value: Any, wire: str, at: int, patch: str) -> None:
        data = bytearray.fromhex(wire)
        raw = bytes.fromhex(patch)
        data[at : at + len(raw)] = raw
        with pytest.raises(WireError):
            type(value).decode(memoryview(data))


@pytest.fixture(scope="session")
def codec() -> BodyCodec:
    return BodyCodec()


@pytest.fixture(scope="session")
def data_codec() -> DataCodec:
    return DataCodec()
