"""Space: what the files of a share take and may take, together and by owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Connection

from appliance.models.space import OwnerUsage, QuotaChange, ShareUsage
from appliance.problems import Problem, invalid, not_found
from appliance.services.work import Deed, Work
from smbcore.control.messages import QueryUsage, Usage
from smbcore.nt import filetime
from smbcore.nt.sid import ADMINISTRATORS, SYSTEM, Sid
from smbcore.state import accounts, configuration, shares
from smbcore.state.configuration import ShareConfig, ShareOptions
from smbcore.state.quotas import NO_LIMIT, ShareQuota, format_entries, parse_entries

_MIB = 1 << 20
_WELL_KNOWN = {str(ADMINISTRATORS): "Administrators", str(SYSTEM): "the system"}
_UNEXPECTED = 502


def usage(work: Work, name: str) -> ShareUsage:
    """Return what the files of a share take.

    Errors: Problem 404 no such share, or it is disabled; 503 the core does not answer; 502 its folder is unusable
    """
    with work.engine.connect() as connection:
        share = _find(connection, name)
        names = _names(connection)
    taken = _ask(work, share.name)
    options = share.options
    limit = options.size_limit_mib * _MIB or None
    used = taken.used if taken.state == "counted" else None
    whole = None if options.personal_folders else limit  # the limit is for each folder then
    left = taken.disk_available if whole is None else min(taken.disk_available, max(0, whole - (used or 0)))
    return ShareUsage.model_validate(
        {
            "state": taken.state,
            "quota": options.quota,
            "size_limit": limit,
            "used": used,
            "is_limit_per_user": options.personal_folders,
            "total": taken.disk_total if whole is None else min(whole, taken.disk_total),
            "free": left,
            "disk_total": taken.disk_total,
            "disk_free": taken.disk_free,
            "owners": _owners(options, taken.owners, names),
            "version": share.version,
        }
    )


def set_quota(work: Work, name: str, owner: str, wanted: QuotaChange, expected_version: int | None) -> bool:
    """Say what one owner may take of a share; tell whether a running core was told.

    owner   name of a user, or a SID
    Errors: Problem 404, 422;  ConflictError when the share's version is not the expected one
    """
    return _change(work, name, owner, wanted, expected_version)


def remove_quota(work: Work, name: str, owner: str, expected_version: int | None) -> bool:
    """Let the share's default hold for an owner again. Errors as above; 404 too where he has no limit of his own."""
    return _change(work, name, owner, None, expected_version)


def check_size_limit(work: Work, share: ShareConfig, options: Mapping[str, Any]) -> None:
    """Refuse a size limit below what the files take already, as far as a running core knows that.

    Errors: Problem 422
    """
    wanted = options.get("size_limit_mib")
    if not isinstance(wanted, int) or wanted <= 0 or wanted == share.options.size_limit_mib:
        return
    if options.get("personal_folders", share.options.personal_folders):
        return  # what each user's folder takes is not known here
    try:
        taken = _ask(work, share.name)
    except Problem:  # disabled, or no core is running: it counts when it next can, and refuses what is too much then
        return
    if taken.state == "counted" and taken.used > wanted * _MIB:
        least = -(-taken.used // _MIB)
        message = f"The files take {least} MiB already: give at least that much, or remove files first."
        raise invalid("options.size_limit_mib", message)


def _ask(work: Work, name: str) -> Usage:
    reply = work.core.request(QueryUsage(name))
    if not isinstance(reply, Usage):
        raise Problem(_UNEXPECTED, "core-internal", "The SMB server answered something else", type(reply).__name__)
    return reply


def _find(connection: Connection, name: str) -> ShareConfig:
    found = shares.find_share(connection, name)
    if found is None or found.kind != "disk":
        raise not_found("share", name)
    return found


def _names(connection: Connection) -> dict[str, str]:
    """Return the names of everybody who can own files, by SID."""
    groups = {group.sid: group.name for group in configuration.load_groups(connection)}
    return _WELL_KNOWN | groups | {account.sid: account.name for account in configuration.load_accounts(connection)}


def _owners(options: ShareOptions, taken: Mapping[str, int], names: Mapping[str, str]) -> list[OwnerUsage]:
    entries = {str(sid): entry for sid, entry in parse_entries(options.quota_entries).items()}
    found = [_owner(sid, taken.get(sid, 0), entries.get(sid), options, names) for sid in {*taken, *entries}]
    return sorted(found, key=lambda owner: (-owner.used, owner.name or owner.sid))


def _owner(
    sid: str, used: int, entry: ShareQuota | None, options: ShareOptions, names: Mapping[str, str]
) -> OwnerUsage:
    limit, threshold = options.quota_limit, options.quota_threshold
    if entry is not None:
        limit, threshold = entry.limit, entry.threshold
    elif sid in _WELL_KNOWN:
        limit = threshold = NO_LIMIT
    state: Literal["ok", "close", "full"] = "close" if NO_LIMIT < threshold <= used else "ok"
    if NO_LIMIT < limit <= used:
        state = "full"
    return OwnerUsage(
        sid=sid,
        name=names.get(sid, ""),
        used=used,
        threshold=None if threshold == NO_LIMIT else threshold,
        limit=None if limit == NO_LIMIT else limit,
        is_own=entry is not None,
        state=state,
    )


def _change(work: Work, name: str, owner: str, wanted: QuotaChange | None, expected_version: int | None) -> bool:
    deed = Deed("share.quota", f"share {name}", {"owner": owner} | (wanted.model_dump() if wanted else {}))
    with work.change(deed) as connection:
        share = _find(connection, name)
        sid = _sid_of(connection, owner)

        def change(options: ShareOptions) -> dict[str, Any]:
            entries = parse_entries(options.quota_entries)
            if wanted is not None:
                entries[sid] = _entry(sid, wanted, filetime.from_datetime(work.now))
            elif entries.pop(sid, None) is None:
                raise not_found("quota", owner)
            return {"quota_entries": format_entries(entries.values())}

        shares.change_quotas(connection, share.id, change, now=work.now, expected_version=expected_version)
    return work.reload()


def _entry(sid: Sid, wanted: QuotaChange, now: int) -> ShareQuota:
    limit = NO_LIMIT if wanted.limit is None else wanted.limit
    threshold = NO_LIMIT if wanted.threshold is None else wanted.threshold
    if NO_LIMIT < limit < threshold:
        raise invalid("threshold", "The threshold lies above the limit, so it would never show.")
    try:
        return ShareQuota(sid, threshold, limit, now)
    except ValueError as error:
        raise invalid("limit", f"{str(error).capitalize()}.") from error


def _sid_of(connection: Connection, owner: str) -> Sid:
    account = accounts.find_account(connection, owner)
    if account is not None:
        return Sid.parse(account.sid)
    try:
        return Sid.parse(owner)
    except ValueError:
        raise not_found("user", owner) from None
