"""lsarpc: names for SIDs and SIDs for names  [MS-LSAT], and who this machine is  [MS-LSAD].

What Windows' security tab and `icacls` need of a file server: OpenPolicy, the lookups in
both directions, the policy's domain information. Read-only; no privileges, no secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from smbcore.nt.errors import WireError
from smbcore.nt.sid import Sid
from smbcore.nt.status import Status
from smbcore.rpc.context import AccountName, SidUse
from smbcore.rpc.names import Directory, domain_sid
from smbcore.rpc.ndr import NdrWriter
from smbcore.rpc.pdu import FaultCode, Syntax
from smbcore.rpc.service import Call, Operation, RpcFault, Service

MAX_LOOKUP: Final = 1000
"""Most names or SIDs in one lookup; more than Windows' own limit is never sent."""
_POLICY_AUDIT_EVENTS: Final = 2
_POLICY_PRIMARY_DOMAIN: Final = 3
_POLICY_ACCOUNT_DOMAIN: Final = 5
_POLICY_SERVER_ROLE: Final = 6
_POLICY_DNS_DOMAIN: Final = 12
_ROLE_PRIMARY: Final = 3
_NO_DOMAIN: Final = -1
_UNKNOWN_RID: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class _Policy:
    """What an LSA policy handle stands for."""


# -- handles --------------------------------------------------------------------------------


def _skip_object_attributes(call: Call) -> None:
    """Read LSAPR_OBJECT_ATTRIBUTES, of which nothing is used  [MS-LSAD 2.2.2.4]."""
    read = call.read
    read.u32()
    root, name = read.pointer(), read.pointer()
    read.u32()
    security, quality = read.pointer(), read.pointer()
    if root or name or security:
        msg = "object attributes that no client sends"
        raise WireError(msg)
    if quality:
        read.u32()
        read.u16()
        read.raw(2)


def _open(call: Call) -> None:
    if call.context.token.anonymous:
        call.write_handle(None)
        call.write.u32(Status.ACCESS_DENIED)
        return
    call.write_handle(call.handles.add(_Policy()))
    call.write.u32(Status.SUCCESS)


def open_policy(call: Call) -> None:
    """LsarOpenPolicy  [MS-LSAD 3.1.4.4.2]."""
    if call.read.pointer():
        call.read.u16()
    _skip_object_attributes(call)
    call.read.u32()
    _open(call)


def open_policy2(call: Call) -> None:
    """LsarOpenPolicy2  [MS-LSAD 3.1.4.4.1]."""
    call.read.optional_string()
    _skip_object_attributes(call)
    call.read.u32()
    _open(call)


def close(call: Call) -> None:
    """LsarClose  [MS-LSAD 3.1.4.9.4]."""
    if not call.handles.close(call.read_handle()):
        raise RpcFault(FaultCode.CONTEXT_MISMATCH, "handle is not open")
    call.write_handle(None)
    call.write.u32(Status.SUCCESS)


# -- policy information -----------------------------------------------------------------------


def _write_domain(write: NdrWriter, name: str, sid: Sid | None) -> None:
    write.unicode_string_head(name)
    write.pointer(present=sid is not None)
    write.unicode_string_body(name)
    if sid is not None:
        write.sid(sid)


def _write_dns_domain(write: NdrWriter, name: str) -> None:
    """Write LSAPR_POLICY_DNS_DOMAIN_INFO of a machine in no domain  [MS-LSAD 2.2.4.14]."""
    write.unicode_string_head(name)
    write.unicode_string_head(None)
    write.unicode_string_head(None)
    write.raw(bytes(16))
    write.pointer(present=False)
    write.unicode_string_body(name)


def _write_audit_events(write: NdrWriter) -> None:
    """Write POLICY_AUDIT_EVENTS_INFO: LSA auditing is off, we keep an audit of our own  [MS-LSAD 2.2.4.4]."""
    write.u8(0)
    write.pointer(present=False)
    write.u32(0)


def query_info_policy(call: Call) -> None:
    """LsarQueryInformationPolicy and ...Policy2  [MS-LSAD 3.1.4.4.3, 3.1.4.4.4]."""
    call.handles.get(call.read_handle(), _Policy)
    wanted, write, context = call.read.u16(), call.write, call.context
    arms: dict[int, Callable[[], None]] = {
        _POLICY_AUDIT_EVENTS: lambda: _write_audit_events(write),
        _POLICY_PRIMARY_DOMAIN: lambda: _write_domain(write, context.domain_name, None),
        _POLICY_ACCOUNT_DOMAIN: lambda: _write_domain(write, context.server_name, context.machine_sid),
        _POLICY_SERVER_ROLE: lambda: write.u16(_ROLE_PRIMARY),
        _POLICY_DNS_DOMAIN: lambda: _write_dns_domain(write, context.domain_name),
    }
    arm = arms.get(wanted)
    write.pointer(present=arm is not None)
    if arm is None:
        write.u32(Status.INVALID_PARAMETER)
        return
    write.u16(wanted)
    write.align(4)
    arm()
    write.u32(Status.SUCCESS)


def get_user_name(call: Call) -> None:
    """LsarGetUserName: the account that calls  [MS-LSAT 3.1.4.2]."""
    read, write = call.read, call.write
    read.optional_string()
    if read.pointer():
        read.unicode_string_body(read.unicode_string_head())
    wants_domain = read.pointer()
    token = call.context.token
    account = Directory(call.context).find_sid(token.user)
    name = account.name if account else token.name.rpartition("\\")[2].rpartition("/")[2]
    domain = account.domain if account else ""
    write.pointer()
    write.unicode_string_head(name)
    write.unicode_string_body(name)
    write.pointer(present=wants_domain)
    if wants_domain:
        write.pointer()
        write.unicode_string_head(domain)
        write.unicode_string_body(domain)
    write.u32(Status.SUCCESS)


# -- lookups --------------------------------------------------------------------------------------


class _Domains:
    """The referenced domains of an answer, in order of first use."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Sid], int] = {}

    def index(self, account: AccountName | None) -> int:
        if account is None:
            return _NO_DOMAIN
        return self._found.setdefault((account.domain, domain_sid(account)), len(self._found))

    def write(self, write: NdrWriter) -> None:
        """Write LSAPR_REFERENCED_DOMAIN_LIST behind a pointer  [MS-LSAT 2.2.12]."""
        write.pointer()
        write.u32(len(self._found))
        write.pointer(present=bool(self._found))
        write.u32(max(32, len(self._found)))
        if not self._found:
            return
        write.u32(len(self._found))
        for name, _ in self._found:
            write.unicode_string_head(name)
            write.pointer()
        for name, sid in self._found:
            write.unicode_string_body(name)
            write.sid(sid)


def _finish(call: Call, found: Sequence[AccountName | None]) -> None:
    mapped = sum(1 for account in found if account is not None)
    call.write.u32(mapped)
    if mapped == len(found):
        call.write.u32(Status.SUCCESS)
    else:
        call.write.u32(Status.SOME_NOT_MAPPED if mapped else Status.NONE_MAPPED)


def _read_count(call: Call, item_size: int) -> int:
    count = call.read.count(item_size)
    if count > MAX_LOOKUP:
        msg = f"lookup of {count} items"
        raise WireError(msg)
    return count


def _read_sids(call: Call) -> list[Sid]:
    """Read LSAPR_SID_ENUM_BUFFER  [MS-LSAT 2.2.18]."""
    read = call.read
    entries = read.u32()
    if not read.pointer():
        return []
    present = [read.pointer() for _ in range(_read_count(call, 4))]
    if not all(present) or len(present) != entries:
        msg = "SID buffer with holes"
        raise WireError(msg)
    return [read.sid() for _ in present]


def _lookup_sids(call: Call, *, extended: bool) -> None:
    call.handles.get(call.read_handle(), _Policy)
    wanted = _read_sids(call)
    directory, domains, write = Directory(call.context), _Domains(), call.write
    found = [directory.find_sid(sid) for sid in wanted]
    indexes = [domains.index(account) for account in found]
    names = [account.name if account else str(sid) for account, sid in zip(found, wanted, strict=True)]
    domains.write(write)
    write.u32(len(found))
    write.pointer(present=bool(found))
    if found:
        write.u32(len(found))
    for account, name, index in zip(found, names, indexes, strict=True):
        write.align(4)
        write.u16(account.use if account else SidUse.UNKNOWN)
        write.unicode_string_head(name)
        write.u32(index)
        if extended:
            write.u32(0)
    for name in names:
        write.unicode_string_body(name)
    _finish(call, found)


def lookup_sids(call: Call) -> None:
    """LsarLookupSids  [MS-LSAT 3.1.4.11]."""
    _lookup_sids(call, extended=False)


def lookup_sids2(call: Call) -> None:
    """LsarLookupSids2  [MS-LSAT 3.1.4.10]."""
    _lookup_sids(call, extended=True)


def _read_names(call: Call) -> list[str]:
    read = call.read
    count = read.u32()
    if _read_count(call, 8) != count:
        msg = "array of names with two counts"
        raise WireError(msg)
    heads = [read.unicode_string_head() for _ in range(count)]
    return [read.unicode_string_body(head) for head in heads]


def _lookup_names(
    call: Call, write_one: Callable[[NdrWriter, AccountName | None, int], None]
) -> list[AccountName | None]:
    call.handles.get(call.read_handle(), _Policy)
    directory, domains, write = Directory(call.context), _Domains(), call.write
    found = [directory.find_name(name) for name in _read_names(call)]
    indexes = [domains.index(account) for account in found]
    domains.write(write)
    write.u32(len(found))
    write.pointer(present=bool(found))
    if found:
        write.u32(len(found))
    for account, index in zip(found, indexes, strict=True):
        write_one(write, account, index)
    return found


def _rid(account: AccountName | None) -> int:
    if account is None or account.use is SidUse.DOMAIN:
        return _UNKNOWN_RID
    return account.sid.rid


def _write_rid(write: NdrWriter, account: AccountName | None, index: int) -> None:
    write.align(4)
    write.u16(account.use if account else SidUse.UNKNOWN)
    write.u32(_rid(account) if account else 0)
    write.u32(index)


def _write_rid_ex(write: NdrWriter, account: AccountName | None, index: int) -> None:
    _write_rid(write, account, index)
    write.u32(0)


def _write_sid_head(write: NdrWriter, account: AccountName | None, index: int) -> None:
    write.align(4)
    write.u16(account.use if account else SidUse.UNKNOWN)
    write.pointer(present=account is not None)
    write.u32(index)
    write.u32(0)


def lookup_names(call: Call) -> None:
    """LsarLookupNames  [MS-LSAT 3.1.4.8]."""
    _finish(call, _lookup_names(call, _write_rid))


def lookup_names2(call: Call) -> None:
    """LsarLookupNames2  [MS-LSAT 3.1.4.7]."""
    _finish(call, _lookup_names(call, _write_rid_ex))


def lookup_names3(call: Call) -> None:
    """LsarLookupNames3: whole SIDs instead of relative ids  [MS-LSAT 3.1.4.6]."""
    found = _lookup_names(call, _write_sid_head)
    for account in found:
        if account is not None:
            call.write.sid(account.sid)
    _finish(call, found)


_OPERATIONS: Final[Mapping[int, Operation]] = {
    0: close,
    6: open_policy,
    7: query_info_policy,
    14: lookup_names,
    15: lookup_sids,
    44: open_policy2,
    45: get_user_name,
    46: query_info_policy,
    57: lookup_sids2,
    58: lookup_names2,
    68: lookup_names3,
}

SERVICE: Final = Service("lsarpc", Syntax.of("12345778-1234-abcd-ef00-0123456789ab", 0), _OPERATIONS)
