"""Masks and states in the words that people see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smbcore.nt import access

_READS = access.FILE_READ_DATA | access.FILE_EXECUTE
_WRITES = access.FILE_WRITE_DATA | access.FILE_APPEND_DATA
_SHARE_MODES = ((1, "read"), (2, "write"), (4, "delete"))
_ALL_SHARED = 7
_OPLOCKS = {"II": "read", "exclusive": "read, write", "batch": "read, write, handle"}
_DEEDS = {
    "share.create": "created the",
    "share.change": "changed the",
    "share.remove": "removed the",
    "share.quota": "set who may take how much space of the",
    "user.create": "added the",
    "user.change": "changed the",
    "user.remove": "removed the",
    "user.password": "set the password of",
    "group.create": "added the",
    "group.change": "changed the",
    "group.remove": "removed the",
    "token.create": "made the",
    "token.revoke": "revoked the",
    "open.close": "closed",
    "lease.break": "broke the lease on",
    "session.disconnect": "disconnected",
    "tcon.disconnect": "disconnected the share",
    "settings.change": "changed",
    "sign_in": "signed in as",
    "sign_out": "signed out",
    "setup": "set the server up with",
}
_HANDLE_KINDS = {
    "durable": "Kept for a while when the connection is lost, unless somebody else needs the file.",
    "resilient": "Kept for a while when the connection is lost, with its locks.",
    "persistent": "Kept when the connection is lost and when the server restarts; nobody else gets the file meanwhile.",
}
_TOLD = frozenset({"condition", "over", "times"})
"""What the sentence of a record says."""
_LEASES = (("R", "read"), ("W", "write"), ("H", "handle"))


def access_summary(mask: int) -> str:
    """Return a mask in a word or two: "read", "read+write", "full control", "attributes only"."""
    if mask & access.FILE_ALL_ACCESS == access.FILE_ALL_ACCESS:
        return "full control"
    parts = [word for bits, word in ((_READS, "read"), (_WRITES, "write"), (access.DELETE, "delete")) if mask & bits]
    return "+".join(parts) or "attributes only"


def writes(mask: int) -> bool:
    """Tell whether data can be written with this mask."""
    return bool(mask & _WRITES)


def share_mode_words(mode: int) -> str:
    """Return what others may do: "read, write", "everything", or "nothing"."""
    if mode & _ALL_SHARED == _ALL_SHARED:
        return "everything"
    return ", ".join(word for bit, word in _SHARE_MODES if mode & bit) or "nothing"


def caching_words(kind: str, level: str) -> str:
    """Return what a client may cache: "read, write", or "nothing"."""
    if kind == "oplock":
        return _OPLOCKS.get(level, level)
    return ", ".join(word for letter, word in _LEASES if letter in level) or "nothing"


def handle_kind_words(kind: str) -> str:
    """Return what a kind of handle promises."""
    return _HANDLE_KINDS.get(kind, kind)


def host(address: str) -> str:
    """Return an address without its port, and without the brackets of IPv6: "10.0.0.7", "fd00::7"."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def deed_words(action: str) -> str:
    """Return an action of the audit log as people would say it: "created", "disconnected"."""
    return _DEEDS.get(action, action.replace(".", " ").replace("_", " "))


def detail_words(detail: Mapping[str, Any], outcome: str = "done") -> str:
    """Return what the sentence of a record does not say yet: "path: /srv/docs; size_limit_mib is now 500"."""
    told = _TOLD if outcome == "done" else _TOLD | {"reason"}
    parts = []
    for name, value in detail.items():
        if name in told:
            continue
        if name == "changes" and isinstance(value, Mapping):
            parts += [f"{field} is now {_value_words(new) or 'empty'}" for field, new in value.items()]
        elif words := _value_words(value):
            parts.append(f"{name}: {words}")
    return "; ".join(parts)


def _value_words(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value_words(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_value_words(item) for item in value)
    return str(value)


def plural(count: int, one: str, many: str) -> str:
    """Return the number with its noun: "1 file", "3 files"."""
    return f"{count:,} {one if count == 1 else many}"
