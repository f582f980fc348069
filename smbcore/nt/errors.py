"""The error that every decoder of a peer's bytes raises."""

from __future__ import annotations


class WireError(ValueError):
    """The peer's bytes do not form the structure they should.

    Raised by every decoder in `nt`, `wire` and `rpc`; mapped to a status (usually
    INVALID_PARAMETER) where requests are dispatched and nowhere else.
    """
