"""NetprNameValidate: is a text a good name of some kind?  [MS-SRVS 3.1.4.33]"""

from __future__ import annotations

from typing import Final

from smbcore.rpc.netapi import Win32
from smbcore.rpc.service import Call

_CONTROL: Final = frozenset(map(chr, range(32)))
_RESERVED: Final = frozenset('"/\\[]:|<>+=;,?*') | _CONTROL
_SPACED: Final = _RESERVED | {" "}
_SHARE_RESERVED: Final = frozenset('"/\\[]:|<>+=;,?*') | _CONTROL
_MAX_FLAG: Final = 0x8000_0000

# type: (longest, longest of LAN Manager 2.0 (flag 0x80000000), characters refused)
_RULES: Final[dict[int, tuple[int, int, frozenset[str]]]] = {
    1: (20, 20, _RESERVED),  # user
    2: (256, 14, frozenset()),  # password
    3: (256, 20, _RESERVED),  # group
    4: (15, 15, _SPACED),  # computer
    5: (16, 8, _RESERVED),  # event
    6: (15, 15, _SPACED),  # domain
    7: (15, 15, _RESERVED),  # service
    8: (259, 259, frozenset('"|<>') | _CONTROL),  # net
    9: (80, 13, _SHARE_RESERVED),  # share
    10: (15, 15, _RESERVED),  # message
    11: (259, 259, frozenset()),  # message destination
    12: (256, 8, frozenset()),  # share password
    13: (15, 15, _SPACED),  # workgroup
}


def validate(name: str, kind: int, flags: int) -> Win32:
    """Judge `name`; `kind` is NAMETYPE_*, `flags` 0 or 0x80000000 (LAN Manager lengths)."""
    rule = _RULES.get(kind)
    if rule is None or flags not in (0, _MAX_FLAG):
        return Win32.INVALID_PARAMETER
    longest, oldest, refused = rule
    limit = oldest if flags else longest
    passwords = (2, 12)
    if len(name) > limit or (not name and kind not in passwords):
        return Win32.INVALID_NAME
    return Win32.INVALID_NAME if refused & frozenset(name) else Win32.SUCCESS


def net_name_validate(call: Call) -> None:
    """NetprNameValidate  [MS-SRVS 3.1.4.33]."""
    call.read.optional_string()
    name = call.read.wide_string()
    call.write.u32(validate(name, call.read.u32(), call.read.u32()))
