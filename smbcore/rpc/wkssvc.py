"""wkssvc: what this machine is called and who is signed in to it  [MS-WKST]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from smbcore.rpc.context import PipeContext, is_administrator
from smbcore.rpc.netapi import PLATFORM_NT, VERSION, Enumeration, Win32, answer_info
from smbcore.rpc.pdu import Syntax
from smbcore.rpc.rows import Row
from smbcore.rpc.service import Call, Operation, Service

_INFO_LEVELS: Final = {100: "IWWII", 101: "IWWIIW", 102: "IWWIIWI"}
_OTHER_ARMS: Final = range(502, 1063)
"""WKSTA_INFO's levels for settings of Windows' own redirector."""
_USER_LEVELS: Final = {0: "W", 1: "WWWW"}


def _info_row(context: PipeContext, level: int) -> Row:
    basic = (PLATFORM_NT, context.server_name, context.domain_name, *VERSION)
    extra: dict[int, Row] = {100: (), 101: ("",), 102: ("", len({s.user for s in context.sessions()}))}
    return (*basic, *extra[level])


def net_wksta_get_info(call: Call) -> None:
    """NetrWkstaGetInfo; 101 for users, 102 for administrators  [MS-WKST 3.2.4.1]."""
    call.read.optional_string()
    level, token = call.read.u32(), call.context.token
    row, result = None, Win32.SUCCESS
    if level not in _INFO_LEVELS:
        result = Win32.INVALID_LEVEL
    elif (level == 102 and not is_administrator(token)) or (level == 101 and token.anonymous):
        result = Win32.ACCESS_DENIED
    else:
        row = _info_row(call.context, level)
    answer_info(call, level, _INFO_LEVELS, row, result, other_arms=_OTHER_ARMS)


def net_wksta_user_enum(call: Call) -> None:
    """NetrWkstaUserEnum: accounts with a session, for administrators  [MS-WKST 3.2.4.3]."""
    call.read.optional_string()
    asked = Enumeration(call, _USER_LEVELS)
    if not is_administrator(call.context.token):
        asked.refuse(Win32.ACCESS_DENIED)
        return
    context = call.context
    users = sorted({session.user for session in context.sessions() if session.user})
    rows: list[Row] = [(user, context.server_name, "", context.server_name) for user in users]
    asked.answer(rows if asked.level else [row[:1] for row in rows])


_OPERATIONS: Final[Mapping[int, Operation]] = {0: net_wksta_get_info, 2: net_wksta_user_enum}

SERVICE: Final = Service("wkssvc", Syntax.of("6bffd098-a112-3610-9833-46c3f87e345a", 1), _OPERATIONS)
