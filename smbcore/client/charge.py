"""What a request costs in credits  [MS-SMB2 3.2.4.1.5]."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from smbcore.proto.window import credit_charge
from smbcore.wire.change_notify import ChangeNotifyRequest
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.query_directory import QueryDirectoryRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.write import WriteRequest

_SIZES: Final[MappingProxyType[type, Callable[[Any], tuple[int, int]]]] = MappingProxyType(
    {
        ReadRequest: lambda m: (0, m.length),
        WriteRequest: lambda m: (len(m.data), 0),
        IoctlRequest: lambda m: (len(m.input), m.max_input_response + m.max_output_response),
        QueryDirectoryRequest: lambda m: (0, m.output_length),
        ChangeNotifyRequest: lambda m: (0, m.output_length),
        QueryInfoRequest: lambda m: (len(m.input), m.output_length),
        SetInfoRequest: lambda m: (len(m.data), 0),
    }
)


def charge_of(body: object) -> int:
    """Return the credit charge of a request body: 1, or more for those that move much data."""
    sizes = _SIZES.get(type(body))
    return credit_charge(*sizes(body)) if sizes else 1
