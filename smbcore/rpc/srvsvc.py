"""srvsvc: shares, sessions, open files of this server  [MS-SRVS].

Who may ask for what is Windows' choice: everybody who was let in the names of shares, the
time and the server's name; those signed in by name the sessions; only administrators
paths, open files and the rest. Whether anonymous clients are let in is the server's setting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from smbcore.nt import filetime
from smbcore.rpc import srvnames
from smbcore.rpc.context import ConnectionEntry, FileEntry, PipeContext, SessionEntry, ShareEntry, is_administrator
from smbcore.rpc.netapi import PLATFORM_NT, VERSION, Enumeration, Win32, answer_info
from smbcore.rpc.pdu import Syntax
from smbcore.rpc.rows import Row
from smbcore.rpc.service import Call, Operation, Service

_SHARE_LEVELS: Final = {
    0: "W",
    1: "WIW",
    2: "WIWIIIWW",
    501: "WIWI",
    502: "WIWIIIWWIB",
    503: "WIWIIIWWWIB",
    1004: "W",
    1005: "I",
    1006: "I",
    1007: "IW",
    1501: "IB",
}
"""Levels of NetrShareGetInfo; the enumerations take the later ones too, as Samba's do and the document does not."""
_ANONYMOUS_DENIED: Final = 501
_ADMINISTRATORS_ONLY: Final = frozenset({2, 502, 503, 1501})
_SESSION_LEVELS: Final = {0: "W", 1: "WWIIII", 2: "WWIIIIW", 10: "WWII", 502: "WWIIIIWW"}
_SESSION_OPEN_LEVELS: Final = frozenset({0, 10})
_FILE_LEVELS: Final = {2: "I", 3: "IIIWW"}
_CONNECTION_LEVELS: Final = {0: "I", 1: "IIIIIWW"}
_SERVER_LEVELS: Final = {100: "IW", 101: "IWIIIW", 102: "IWIIIWIIIIIIW"}

_SERVER_TYPE: Final = 0x0000_9003
"""SV_TYPE_WORKSTATION, SERVER, NT and SERVER_NT  [MS-SRVS 2.2.2.7]."""
_SESSION_GUEST: Final = 1
_NO_DISCONNECT: Final = -1
_SERVER_ARMS: Final = range(103, 1557)
"""SERVER_INFO has arms for levels up to 1556, for settings of Windows' own server."""
_DRIVE: Final = "C:"
_UNLIMITED: Final = 0xFFFF_FFFF


# -- shares -----------------------------------------------------------------------------


def _share_row(share: ShareEntry, level: int, server: str) -> Row:
    basic = (share.name, share.type, share.comment)
    limits = (0, share.max_users, share.users, share.path, "")
    security = share.security or None
    rows: dict[int, Callable[[], Row]] = {
        0: lambda: (share.name,),
        1: lambda: basic,
        2: lambda: (*basic, *limits),
        501: lambda: (*basic, share.flags),
        502: lambda: (*basic, *limits, len(share.security), security),
        503: lambda: (*basic, *limits, server, len(share.security), security),
        1004: lambda: (share.comment,),
        1005: lambda: (share.flags,),
        1006: lambda: (share.max_users,),
        1007: lambda: (share.flags, ""),
        1501: lambda: (len(share.security), security),
    }
    return rows[level]()


def _may_see_shares(call: Call, level: int) -> bool:
    return level not in _ADMINISTRATORS_ONLY or is_administrator(call.context.token)


def _enumerate_shares(call: Call, levels: dict[int, str]) -> None:
    call.read.optional_string()
    asked = Enumeration(call, levels)
    level = asked.level
    hidden = level == _ANONYMOUS_DENIED and call.context.token.anonymous
    if level is not None and (hidden or not _may_see_shares(call, level)):
        asked.refuse(Win32.ACCESS_DENIED)
        return
    server = call.context.server_name
    shares = [] if level is None else [s for s in call.context.shares() if not s.hidden]
    asked.answer([_share_row(share, level or 0, server) for share in shares])


def net_share_enum(call: Call) -> None:
    """NetrShareEnum  [MS-SRVS 3.1.4.8]."""
    _enumerate_shares(call, _SHARE_LEVELS)


def net_share_enum_sticky(call: Call) -> None:
    """NetrShareEnumSticky: the same without level 501, as every share is sticky  [MS-SRVS 3.1.4.9]."""
    _enumerate_shares(call, {level: kinds for level, kinds in _SHARE_LEVELS.items() if level != 501})


def net_share_get_info(call: Call) -> None:
    """NetrShareGetInfo  [MS-SRVS 3.1.4.10]."""
    call.read.optional_string()
    name, level = call.read.wide_string(), call.read.u32()
    row, result = None, Win32.SUCCESS
    share = next((s for s in call.context.shares() if s.name.casefold() == name.casefold()), None)
    if level not in _SHARE_LEVELS:
        result = Win32.INVALID_LEVEL
    elif not _may_see_shares(call, level):
        result = Win32.ACCESS_DENIED
    elif share is None:
        result = Win32.SHARE_NOT_FOUND
    else:
        row = _share_row(share, level, call.context.server_name)
    answer_info(call, level, _SHARE_LEVELS, row, result)


def net_share_check(call: Call) -> None:
    """NetrShareCheck: find the type of the share of a directory, for administrators  [MS-SRVS 3.1.4.16]."""
    call.read.optional_string()
    device = call.read.wide_string().casefold()
    share = next((s for s in call.context.shares() if s.path.casefold() == device), None)
    allowed = is_administrator(call.context.token)
    call.write.u32(share.type if share and allowed else 0)
    if not allowed:
        call.write.u32(Win32.ACCESS_DENIED)
    else:
        call.write.u32(Win32.SUCCESS if share else Win32.DEVICE_NOT_SHARED)


# -- sessions, connections, files -----------------------------------------------------------


def _session_row(session: SessionEntry, level: int) -> Row:
    client = "\\\\" + session.client
    counts = (session.opens, session.active, session.idle, _SESSION_GUEST if session.guest else 0)
    if level == 0:
        return (client,)
    if level == 10:
        return (client, session.user, session.active, session.idle)
    extra: dict[int, Row] = {1: (), 2: (session.client_type,), 502: (session.client_type, "")}
    return (client, session.user, *counts, *extra[level])


def _is_wanted(value: str, wanted: str | None) -> bool:
    return not wanted or value.casefold() == wanted.lstrip("\\").casefold()


def net_session_enum(call: Call) -> None:
    """NetrSessionEnum; levels 0 and 10 for everybody signed in  [MS-SRVS 3.1.4.5]."""
    call.read.optional_string()
    client, user = call.read.optional_string(), call.read.optional_string()
    asked = Enumeration(call, _SESSION_LEVELS)
    level, token = asked.level, call.context.token
    if token.anonymous or (level is not None and level not in _SESSION_OPEN_LEVELS and not is_administrator(token)):
        asked.refuse(Win32.ACCESS_DENIED)
        return
    sessions = call.context.sessions() if level is not None else []
    wanted = [s for s in sessions if _is_wanted(s.client, client) and _is_wanted(s.user, user)]
    asked.answer([_session_row(session, level or 0) for session in wanted])


def net_session_delete(call: Call) -> None:
    """NetrSessionDel  [MS-SRVS 3.1.4.6]."""
    call.read.optional_string()
    client, user = call.read.optional_string() or "", call.read.optional_string() or ""
    client = client.lstrip("\\")
    if not is_administrator(call.context.token):
        call.write.u32(Win32.ACCESS_DENIED)
    elif not client and not user:
        call.write.u32(Win32.INVALID_PARAMETER)
    else:
        found = call.context.close_sessions(client, user)
        call.write.u32(Win32.SUCCESS if found else Win32.SESSION_NOT_FOUND)


def _connection_row(entry: ConnectionEntry, level: int, *, by_share: bool) -> Row:
    if level == 0:
        return (entry.id,)
    # the last member names the other end: the client for a share, the share for a client
    other = entry.client if by_share else entry.share
    return (entry.id, entry.type, entry.opens, entry.users, entry.active, entry.user, other)


def net_connection_enum(call: Call) -> None:
    r"""NetrConnectionEnum: tree connects to a share or from a client "\\name"  [MS-SRVS 3.1.4.1]."""
    call.read.optional_string()
    qualifier = call.read.optional_string() or ""
    asked = Enumeration(call, _CONNECTION_LEVELS)
    if not is_administrator(call.context.token):
        asked.refuse(Win32.ACCESS_DENIED)
        return
    if not qualifier:
        asked.refuse(Win32.INVALID_PARAMETER)
        return
    by_share = not qualifier.startswith("\\\\")
    wanted = qualifier.lstrip("\\").casefold()
    entries = [e for e in call.context.connections() if (e.share if by_share else e.client).casefold() == wanted]
    asked.answer([_connection_row(entry, asked.level or 0, by_share=by_share) for entry in entries])


def _file_row(file: FileEntry, level: int) -> Row:
    if level == 2:
        return (file.id,)
    return (file.id, file.permissions, file.locks, file.path, file.user)


def net_file_enum(call: Call) -> None:
    """NetrFileEnum, filtered by the start of the path and by user  [MS-SRVS 3.1.4.2]."""
    call.read.optional_string()
    base, user = call.read.optional_string() or "", call.read.optional_string()
    asked = Enumeration(call, _FILE_LEVELS)
    if not is_administrator(call.context.token):
        asked.refuse(Win32.ACCESS_DENIED)
        return
    prefix = base.casefold()
    files = [f for f in call.context.files() if f.path.casefold().startswith(prefix) and _is_wanted(f.user, user)]
    asked.answer([_file_row(file, asked.level or 2) for file in files])


def net_file_get_info(call: Call) -> None:
    """NetrFileGetInfo  [MS-SRVS 3.1.4.3]."""
    call.read.optional_string()
    ident, level = call.read.u32(), call.read.u32()
    row, result = None, Win32.SUCCESS
    if level not in _FILE_LEVELS:
        result = Win32.INVALID_LEVEL
    elif not is_administrator(call.context.token):
        result = Win32.ACCESS_DENIED
    else:
        file = next((f for f in call.context.files() if f.id == ident), None)
        if file is None:
            result = Win32.FILE_NOT_FOUND
        else:
            row = _file_row(file, level)
    answer_info(call, level, _FILE_LEVELS, row, result)


def net_file_close(call: Call) -> None:
    """NetrFileClose  [MS-SRVS 3.1.4.4]."""
    call.read.optional_string()
    ident = call.read.u32()
    if not is_administrator(call.context.token):
        call.write.u32(Win32.ACCESS_DENIED)
    else:
        call.write.u32(Win32.SUCCESS if call.context.close_file(ident) else Win32.FILE_NOT_FOUND)


# -- the server itself ------------------------------------------------------------------------


def _server_row(context: PipeContext, level: int) -> Row:
    if level == 100:
        return (PLATFORM_NT, context.server_name)
    basic = (PLATFORM_NT, context.server_name, *VERSION, _SERVER_TYPE, context.comment)
    if level == 101:
        return basic
    return (*basic, _UNLIMITED, _NO_DISCONNECT, 0, 240, 3000, 0, "C:\\")


def net_server_get_info(call: Call) -> None:
    """NetrServerGetInfo; level 102 for administrators  [MS-SRVS 3.1.4.17]."""
    call.read.optional_string()
    level = call.read.u32()
    row, result = None, Win32.SUCCESS
    if level not in _SERVER_LEVELS:
        result = Win32.INVALID_LEVEL
    elif level == 102 and not is_administrator(call.context.token):
        result = Win32.ACCESS_DENIED
    else:
        row = _server_row(call.context, level)
    answer_info(call, level, _SERVER_LEVELS, row, result, other_arms=_SERVER_ARMS)


def net_server_disk_enum(call: Call) -> None:
    """NetrServerDiskEnum: the one drive that paths are shown on, for administrators  [MS-SRVS 3.1.4.19]."""
    read, write = call.read, call.write
    read.optional_string()
    level = read.u32()
    read.u32()
    if read.pointer():
        read.raw(12)  # an empty array: maximum count, offset, actual count
    read.u32()
    resume = read.u32() if read.pointer() else None
    result, disks = Win32.SUCCESS, [_DRIVE]
    if level != 0:
        result, disks = Win32.INVALID_LEVEL, []
    elif not is_administrator(call.context.token):
        result, disks = Win32.ACCESS_DENIED, []
    elif resume:
        disks = []
    write.u32(len(disks))
    write.pointer(present=bool(disks))
    if disks:
        for value in (len(disks), 0, len(disks)):
            write.u32(value)
    for disk in disks:
        write.u32(0)
        write.u32(len(disk) + 1)
        write.raw((disk + "\0").encode("utf-16-le"))
    write.u32(len(disks))
    write.pointer(present=resume is not None)
    if resume is not None:
        write.u32(0)
    write.u32(result)


def net_remote_tod(call: Call) -> None:
    """NetrRemoteTOD: the time, UTC, with the offset of local time  [MS-SRVS 3.1.4.21]."""
    call.read.optional_string()
    now = call.context.now()
    moment = filetime.to_datetime(now)
    write = call.write
    write.pointer()
    write.u32(filetime.to_unix_ns(now) // 1_000_000_000)
    write.u32(call.context.uptime())
    for value in (moment.hour, moment.minute, moment.second, moment.microsecond // 10_000):
        write.u32(value)
    write.u32(-call.context.utc_offset())  # minutes west of UTC
    write.u32(310)  # clock tick in units of 0.1 ms, as Windows says
    for value in (moment.day, moment.month, moment.year, moment.isoweekday() % 7):
        write.u32(value)
    write.u32(Win32.SUCCESS)


_OPERATIONS: Final[Mapping[int, Operation]] = {
    8: net_connection_enum,
    9: net_file_enum,
    10: net_file_get_info,
    11: net_file_close,
    12: net_session_enum,
    13: net_session_delete,
    15: net_share_enum,
    16: net_share_get_info,
    20: net_share_check,
    21: net_server_get_info,
    23: net_server_disk_enum,
    28: net_remote_tod,
    33: srvnames.net_name_validate,
    36: net_share_enum_sticky,
}

SERVICE: Final = Service("srvsvc", Syntax.of("4b324fc8-1670-01d3-1278-5a47bf6ee188", 3), _OPERATIONS)


def operations() -> Sequence[int]:
    """Return the operation numbers that are served, for documentation and tests."""
    return sorted(_OPERATIONS)
