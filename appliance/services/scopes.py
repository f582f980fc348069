"""What a caller may be allowed to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from appliance.problems import invalid

ADMIN = "admin"

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "shares:read": "See shares and who may use them.",
        "shares:write": "Make, change and remove shares.",
        "people:read": "See users and groups.",
        "people:write": "Make, change and remove users and groups, and set passwords.",
        "activity:read": "See sessions, open files, locks and nodes, and follow events.",
        "activity:close": "Close files and disconnect sessions.",
        "audit:read": "Search the audit log.",
        "settings:read": "See the settings of the server.",
        "settings:write": "Change the settings of the server.",
        "tokens:read": "See API tokens, without their secrets.",
        "tokens:write": "Make and revoke API tokens.",
        ADMIN: "Everything, including changes without If-Match.",
    }
)
"""Every scope with what it allows."""


def check_scopes(scopes: list[str]) -> None:
    """Raise Problem 422 unless every scope is known."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise invalid("scopes", f"There is no scope {unknown[0]!r}; known are {', '.join(SCOPES)}.")


def allows(held: frozenset[str], needed: str) -> bool:
    """Tell whether the scopes that a caller holds include the one that is needed."""
    return ADMIN in held or needed in held
