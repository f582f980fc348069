"""What a share's configuration says about space, and how changes by clients get into it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from smbcore.fsa.space_rules import QuotaEntry, SpaceRules
from smbcore.state.quotas import ShareQuota, format_entries, parse_entries

if TYPE_CHECKING:
    from smbcore.state.configuration import ShareOptions

_MIB: Final = 1 << 20
_OFF: Final[dict[str, Any]] = {
    "size_limit_mib": 0, "quota": "off", "quota_limit": -1, "quota_threshold": -1, "quota_entries": (),
}  # fmt: skip


def without_rules(options: ShareOptions) -> ShareOptions:
    """Return options as if nothing were said about space, which may change under open files."""
    return replace(options, **_OFF)


def rules(options: ShareOptions) -> SpaceRules:
    """Return what a share with these options allows."""
    return SpaceRules(
        size_limit=options.size_limit_mib * _MIB or None,
        tracks=options.quota != "off",
        enforces=options.quota == "enforce",
        default=QuotaEntry(options.quota_threshold, options.quota_limit),
        users={
            entry.sid: QuotaEntry(entry.threshold, entry.limit, entry.changed_at)
            for entry in parse_entries(options.quota_entries).values()
        },
    )


def as_options(wanted: SpaceRules) -> dict[str, Any]:
    """Return the options of quotas; the size limit is not for clients to set."""
    entries = [ShareQuota(sid, e.threshold, e.limit, e.changed) for sid, e in wanted.users.items()]
    tracked = "track" if wanted.tracks else "off"
    return {
        "quota": "enforce" if wanted.enforces else tracked,
        "quota_limit": wanted.default.limit,
        "quota_threshold": wanted.default.threshold,
        "quota_entries": format_entries(entries),
    }
