"""samr: the accounts of this machine, read-only  [MS-SAMR].

Enough to list and resolve accounts by relative id, as object pickers and
`rpcclient enumdomusers` do. Only signed-in users may ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from smbcore.nt import sid as sids
from smbcore.nt.errors import WireError
from smbcore.nt.sid import Sid
from smbcore.nt.status import Status
from smbcore.rpc.context import AccountName, PipeContext, SidUse
from smbcore.rpc.names import BUILTIN, builtin_aliases
from smbcore.rpc.pdu import FaultCode, Syntax
from smbcore.rpc.service import Call, Operation, RpcFault, Service

MAX_LOOKUP: Final = 1000
_ENTRY_SIZE: Final = 64
"""Bytes that a client's preferred maximum length is charged for each entry."""


@dataclass(frozen=True, slots=True)
class _Server:
    """What a SAM server handle stands for."""


@dataclass(frozen=True, slots=True)
class _Domain:
    """What a domain handle stands for: our accounts or BUILTIN."""

    sid: Sid

    def accounts(self, context: PipeContext) -> Sequence[AccountName]:
        return builtin_aliases() if self.sid == sids.BUILTIN else context.accounts()


def _grant(call: Call, thing: object) -> None:
    if call.context.token.anonymous:
        call.write_handle(None)
        call.write.u32(Status.ACCESS_DENIED)
        return
    call.write_handle(call.handles.add(thing))
    call.write.u32(Status.SUCCESS)


def connect(call: Call) -> None:
    """SamrConnect: the name is a pointer to one character  [MS-SAMR 3.1.5.1.4]."""
    if call.read.pointer():
        call.read.u16()
    call.read.u32()
    _grant(call, _Server())


def connect2(call: Call) -> None:
    """SamrConnect2 and SamrConnect4, which only adds a revision  [MS-SAMR 3.1.5.1.3]."""
    call.read.optional_string()
    call.read.u32()
    _grant(call, _Server())


def connect5(call: Call) -> None:
    """SamrConnect5: revision information goes both ways  [MS-SAMR 3.1.5.1.1]."""
    read, write = call.read, call.write
    read.optional_string()
    read.u32()
    version = read.u32()
    if read.u32() != version or version != 1:
        msg = f"revision information {version}"
        raise WireError(msg)
    read.u32()
    read.u32()
    for value in (1, 1, 3, 0):  # version, union tag, revision, features
        write.u32(value)
    _grant(call, _Server())


def close_handle(call: Call) -> None:
    """SamrCloseHandle  [MS-SAMR 3.1.5.13.1]."""
    if not call.handles.close(call.read_handle()):
        raise RpcFault(FaultCode.CONTEXT_MISMATCH, "handle is not open")
    call.write_handle(None)
    call.write.u32(Status.SUCCESS)


def _write_enumeration(call: Call, resume: int, entries: Sequence[tuple[int, str]], status: Status) -> None:
    """Write resume handle, SAMPR_ENUMERATION_BUFFER, count  [MS-SAMR 2.2.7.3]."""
    write = call.write
    write.u32(resume)
    write.pointer()
    write.u32(len(entries))
    write.pointer(present=bool(entries))
    if entries:
        write.u32(len(entries))
    for rid, name in entries:
        write.u32(rid)
        write.unicode_string_head(name)
    for _, name in entries:
        write.unicode_string_body(name)
    write.u32(len(entries))
    write.u32(status)


def enumerate_domains(call: Call) -> None:
    """SamrEnumerateDomainsInSamServer  [MS-SAMR 3.1.5.2.1]."""
    call.handles.get(call.read_handle(), _Server)
    start = min(call.read.u32(), 2)
    domains = [(0, call.context.server_name), (0, BUILTIN)]
    _write_enumeration(call, 2, domains[start:], Status.SUCCESS)


def lookup_domain(call: Call) -> None:
    """SamrLookupDomainInSamServer  [MS-SAMR 3.1.5.11.1]."""
    call.handles.get(call.read_handle(), _Server)
    name = call.read.unicode_string_body(call.read.unicode_string_head()).casefold()
    known = {call.context.server_name.casefold(): call.context.machine_sid, BUILTIN.casefold(): sids.BUILTIN}
    found = known.get(name)
    call.write.pointer(present=found is not None)
    if found is not None:
        call.write.sid(found)
    call.write.u32(Status.SUCCESS if found else Status.NO_SUCH_DOMAIN)


def open_domain(call: Call) -> None:
    """SamrOpenDomain  [MS-SAMR 3.1.5.1.5]."""
    call.handles.get(call.read_handle(), _Server)
    call.read.u32()
    sid = call.read.sid()
    if sid not in (call.context.machine_sid, sids.BUILTIN):
        call.write_handle(None)
        call.write.u32(Status.NO_SUCH_DOMAIN)
        return
    _grant(call, _Domain(sid))


def _enumerate(call: Call, use: SidUse, *, filtered: bool) -> None:
    domain = call.handles.get(call.read_handle(), _Domain)
    start = call.read.u32()
    if filtered:
        call.read.u32()  # account control bits: every account of ours is a normal one
    limit = call.read.u32()
    accounts = sorted((a.sid.rid, a.name) for a in domain.accounts(call.context) if a.use is use)
    shown = accounts[start : start + max(1, limit // _ENTRY_SIZE)]
    more = start + len(shown) < len(accounts)
    _write_enumeration(call, start + len(shown), shown, Status.MORE_ENTRIES if more else Status.SUCCESS)


def enumerate_groups(call: Call) -> None:
    """SamrEnumerateGroupsInDomain  [MS-SAMR 3.1.5.2.2]."""
    _enumerate(call, SidUse.GROUP, filtered=False)


def enumerate_users(call: Call) -> None:
    """SamrEnumerateUsersInDomain  [MS-SAMR 3.1.5.2.3]."""
    _enumerate(call, SidUse.USER, filtered=True)


def enumerate_aliases(call: Call) -> None:
    """SamrEnumerateAliasesInDomain  [MS-SAMR 3.1.5.2.4]."""
    _enumerate(call, SidUse.ALIAS, filtered=False)


def _read_items(call: Call, item_size: int) -> int:
    """Read count, maximum, offset, actual count of a [size_is(1000), length_is(count)] array."""
    read = call.read
    count = read.u32()
    maximum, offset, actual = read.u32(), read.u32(), read.u32()
    if offset or actual != count or count > min(maximum, MAX_LOOKUP) or count * item_size > read.remaining:
        msg = f"array of {count} items, {actual} of {maximum} sent"
        raise WireError(msg)
    return count


def _lookup_status(found: Sequence[AccountName | None]) -> Status:
    mapped = sum(1 for account in found if account is not None)
    if mapped == len(found):
        return Status.SUCCESS
    return Status.SOME_NOT_MAPPED if mapped else Status.NONE_MAPPED


def _write_numbers(call: Call, numbers: Sequence[int]) -> None:
    """Write SAMPR_ULONG_ARRAY  [MS-SAMR 2.2.7.5]."""
    call.write.u32(len(numbers))
    call.write.pointer(present=bool(numbers))
    if numbers:
        call.write.u32(len(numbers))
    for number in numbers:
        call.write.u32(number)


def lookup_names(call: Call) -> None:
    """SamrLookupNamesInDomain  [MS-SAMR 3.1.5.11.2]."""
    domain, read = call.handles.get(call.read_handle(), _Domain), call.read
    heads = [read.unicode_string_head() for _ in range(_read_items(call, 8))]
    names = [read.unicode_string_body(head).casefold() for head in heads]
    known = {account.name.casefold(): account for account in domain.accounts(call.context)}
    found = [known.get(name) for name in names]
    _write_numbers(call, [account.sid.rid if account else 0 for account in found])
    _write_numbers(call, [account.use if account else SidUse.UNKNOWN for account in found])
    call.write.u32(_lookup_status(found))


def lookup_rids(call: Call) -> None:
    """SamrLookupIdsInDomain  [MS-SAMR 3.1.5.11.3]."""
    domain, write = call.handles.get(call.read_handle(), _Domain), call.write
    rids = [call.read.u32() for _ in range(_read_items(call, 4))]
    known = {account.sid.rid: account for account in domain.accounts(call.context)}
    found = [known.get(rid) for rid in rids]
    names = [account.name if account else None for account in found]
    write.u32(len(names))
    write.pointer(present=bool(names))
    if names:
        write.u32(len(names))
    for name in names:
        write.unicode_string_head(name)
    for name in names:
        write.unicode_string_body(name)
    _write_numbers(call, [account.use if account else SidUse.UNKNOWN for account in found])
    write.u32(_lookup_status(found))


_OPERATIONS: Final[Mapping[int, Operation]] = {
    0: connect,
    1: close_handle,
    5: lookup_domain,
    6: enumerate_domains,
    7: open_domain,
    11: enumerate_groups,
    13: enumerate_users,
    15: enumerate_aliases,
    17: lookup_names,
    18: lookup_rids,
    57: connect2,
    62: connect2,
    64: connect5,
}

SERVICE: Final = Service("samr", Syntax.of("12345778-1234-abcd-ef00-0123456789ac", 1), _OPERATIONS)
