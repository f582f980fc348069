"""Quotas as clients see and change them  [MS-FSA 2.1.5.13.6, 2.1.5.16.1, 2.1.5.21, 2.1.5.22].

An entry exists for everybody who has files, and for everybody whom somebody gave limits. Administrators see and change
all of them; everybody else sees his own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from smbcore.fsa.space import counting
from smbcore.fsa.space_rules import NO_LIMIT, QuotaEntry, SpaceRules
from smbcore.nt.errors import WireError
from smbcore.nt.info import fs
from smbcore.nt.info.quota import REMOVE, QuotaInformation, decode_quotas, encode_quotas, size_with
from smbcore.nt.sid import ADMINISTRATORS, Sid
from smbcore.nt.status import NtError, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smbcore.fsa.open import Open
    from smbcore.fsa.volume import ChangeOfRules, Volume
    from smbcore.nt.token import Token

MOST_USERS = 1000
"""Entries that a volume keeps, as many as can be stored; whoever may set them could else fill the store with them."""
_MAX_LIMIT = 0x7FFF_FFFF_FFFF_FFFF


@dataclass(slots=True)
class QuotaScan:
    """Parameters of a query  [MS-FSA 2.1.5.21].

    sids   whose entries are wanted, None for all;  start  the entry after which to begin, None for where we are
    restart from the first entry;  single  not more than one entry
    """

    sids: list[Sid] | None = None
    start: Sid | None = None
    restart: bool = False
    single: bool = False


def entry(volume: Volume, sid: Sid) -> QuotaInformation | None:
    """Return the entry of one user, None if there is none."""
    rules, space = volume.config.space, volume.space
    used = 0 if space is None else space.by_owner[sid]
    own = rules.users.get(sid)
    if own is None and not used:
        return None
    allowed = rules.entry(sid)
    return QuotaInformation(sid, used, allowed.threshold, allowed.limit, allowed.changed)


def entries(volume: Volume) -> list[QuotaInformation]:
    """Return every entry, in the order of SIDs."""
    known = set(volume.config.space.users)
    if volume.space is not None:
        known |= set(volume.space.by_owner)
    return [found for sid in sorted(known) if (found := entry(volume, sid)) is not None]


async def query(opened: Open, scan: QuotaScan, max_length: int) -> bytes:
    """Return FILE_QUOTA_INFORMATION entries  [MS-FSA 2.1.5.21, MS-SMB2 3.3.5.20.4].

    A SID without an entry is answered with zeros. A listing goes on where the one before on this open ended.
    Errors: ACCESS_DENIED somebody else's entry, or all of them, for one who is no administrator;
            NO_MORE_ENTRIES the listing is at its end;  BUFFER_TOO_SMALL not even one entry fits.
    """
    volume = opened.volume
    await counting(volume)
    if scan.sids is not None:
        _check_reader(opened.token, scan.sids)
        none = [entry(volume, sid) or QuotaInformation(sid, 0, 0, 0) for sid in scan.sids]
        return _fit(none, max_length, single=scan.single)[0]
    _check_reader(opened.token, None)
    after = None if scan.restart else opened.quota_position
    if scan.start is not None:
        after = scan.start
    left = [found for found in entries(volume) if after is None or after < found.sid]
    if not left:
        raise NtError(Status.NO_MORE_ENTRIES, "no further quota entries")
    encoded, last = _fit(left, max_length, single=scan.single)
    opened.quota_position = last
    return encoded


def _fit(found: list[QuotaInformation], max_length: int, *, single: bool) -> tuple[bytes, Sid]:
    """Return as many entries as fit, and the SID of the last."""
    taken: list[QuotaInformation] = []
    size = 0
    for item in found[:1] if single else found:
        size = size_with(size, item)
        if size > max_length:
            break
        taken.append(item)
    if not taken:
        raise NtError(Status.BUFFER_TOO_SMALL, f"{max_length} bytes for a quota entry")
    return encode_quotas(taken), taken[-1].sid


def _check_reader(token: Token, sids: list[Sid] | None) -> None:
    if token.administrator or (sids is not None and all(sid == token.user for sid in sids)):
        return
    raise NtError(Status.ACCESS_DENIED, f"{token.name} may see his own quota only")


def _check_manager(opened: Open) -> None:
    if not opened.token.administrator:
        raise NtError(Status.ACCESS_DENIED, f"{opened.token.name} may not manage quotas")
    opened.check_writable_volume()


async def set_entries(opened: Open, data: bytes) -> None:
    """Set what users may take  [MS-FSA 2.1.5.22].

    Errors: ACCESS_DENIED not an administrator, or a limit for the administrators;  INVALID_PARAMETER nothing or
            malformed, negative, too many;  NO_MATCH to remove an entry that is not there;  MEDIA_WRITE_PROTECTED
    """
    _check_manager(opened)
    if not data:
        raise NtError(Status.INVALID_PARAMETER, "no quota entries")
    try:
        wanted = decode_quotas(data)
    except WireError as error:
        raise NtError(Status.INVALID_PARAMETER, str(error)) from error
    now = opened.volume.clock.now()
    await _change(opened.volume, lambda rules: rules.with_users(_merged(rules.users, wanted, now)))


def _merged(old: Mapping[Sid, QuotaEntry], wanted: list[QuotaInformation], now: int) -> dict[Sid, QuotaEntry]:
    """Return the entries after the `wanted` changes.  Raises as `set_entries`."""
    users = dict(old)
    for item in wanted:
        if item.limit == REMOVE:
            if users.pop(item.sid, None) is None:
                raise NtError(Status.NO_MATCH, f"no quota entry of {item.sid}")
            continue
        if item.sid == ADMINISTRATORS and item.limit != NO_LIMIT:
            raise NtError(Status.ACCESS_DENIED, "a limit for the administrators")
        if min(item.threshold, item.limit) < NO_LIMIT:
            raise NtError(Status.INVALID_PARAMETER, f"quota of {item.limit}, threshold {item.threshold}")
        users[item.sid] = QuotaEntry(item.threshold, item.limit, now)
    if len(users) > MOST_USERS:
        raise NtError(Status.INVALID_PARAMETER, f"{len(users)} quota entries")
    return users


def control(rules: SpaceRules) -> fs.ControlInformation:
    """Return FileFsControlInformation  [MS-FSA 2.1.5.13.6]."""
    unsigned = fs.NO_QUOTA_LIMIT
    return fs.ControlInformation(
        default_quota_threshold=rules.default.threshold & unsigned,
        default_quota_limit=rules.default.limit & unsigned,
        flags=rules.flags,
    )


async def set_control(opened: Open, data: bytes) -> None:
    """Set whether quotas are counted and enforced, and the defaults  [MS-FSA 2.1.5.16.1].

    Errors: ACCESS_DENIED;  MEDIA_WRITE_PROTECTED;  INVALID_PARAMETER a default beyond 2**63
    """
    _check_manager(opened)
    wanted = fs.ControlInformation.decode(data)
    enforces = bool(wanted.flags & fs.FILE_VC_QUOTA_ENFORCE)
    default = QuotaEntry(_signed(wanted.default_quota_threshold), _signed(wanted.default_quota_limit))
    tracks = enforces or bool(wanted.flags & fs.FILE_VC_QUOTA_TRACK)
    await _change(opened.volume, lambda rules: replace(rules, tracks=tracks, enforces=enforces, default=default))


def _signed(value: int) -> int:
    if value == fs.NO_QUOTA_LIMIT:
        return NO_LIMIT
    if value > _MAX_LIMIT:
        raise NtError(Status.INVALID_PARAMETER, f"a quota of {value:#x}")
    return value


async def _change(volume: Volume, change: ChangeOfRules) -> None:
    """Store the rules as `change` makes them, then go by them."""
    if volume.keep_rules is not None:
        await volume.keep_rules(change)
    else:
        volume.set_space_rules(change(volume.config.space))
