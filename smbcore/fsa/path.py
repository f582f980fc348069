"""Splitting a share-relative path into components and a stream  [MS-FSA 2.1.5.1, MS-FSCC 2.1.5]."""

from __future__ import annotations

import re

from smbcore.nt.names import MAX_COMPONENT, check_component, split_stream
from smbcore.nt.status import NtError, Status

_SPECIAL = re.compile('[\x00-\x1f"*:<>?|]')
_INDEX = "$INDEX_ALLOCATION"
_INDEX_NAMES = frozenset({"", "$I30"})


class Target:
    """What a path names.

    names         components from the root, () is the root
    stream        name of the named stream, "" for the main one
    is_data       the path names a stream or says `::$DATA`: a directory will not do
    is_directory  the path ends with a backslash or says `$INDEX_ALLOCATION`
    """

    __slots__ = ("is_data", "is_directory", "names", "stream")

    def __init__(
        self, names: tuple[str, ...], stream: str = "", is_data: bool = False, is_directory: bool = False
    ) -> None:
        self.names = names
        self.stream = stream
        self.is_data = is_data
        self.is_directory = is_directory


def parse_path(path: str) -> Target:
    r"""Parse `dir\file:stream:$DATA`.

    A slash separates as a backslash does (it cannot be in a name; smbtorture smb2.timestamps uses it), and `..` steps
    up within the path (smb2.notify.tree).
    Errors: INVALID_PARAMETER leading backslash;  OBJECT_PATH_SYNTAX_BAD `..` leads above the root;  OBJECT_NAME_INVALID
            anything else that cannot be a name.
    """
    if not path:
        return Target(())
    if "/" in path:
        path = path.replace("/", "\\")
    if path[0] == "\\":
        raise NtError(Status.INVALID_PARAMETER, "path starts with a backslash")
    names = path.split("\\")
    if ".." in names:
        names = _step_up(names)
        if not names:
            return Target(())
    last = names[-1]
    if not last:
        names.pop()
    elif ":" in last:
        return _parse_stream(names)
    if _SPECIAL.search(path) is not None or not path.isascii():
        _check_all(names)
    else:
        for name in names:
            if not name or name[0] == "." or len(name) > MAX_COMPONENT:
                check_component(name)
    return Target(tuple(names), "", False, not last)


def _step_up(names: list[str]) -> list[str]:
    """Resolve `..` components by the path alone."""
    resolved: list[str] = []
    for name in names:
        if name != "..":
            resolved.append(name)
        elif resolved:
            resolved.pop()
        else:
            raise NtError(Status.OBJECT_PATH_SYNTAX_BAD, "path leads above the root")
    return resolved


def _parse_stream(names: list[str]) -> Target:
    """Parse a path whose last component holds a colon."""
    last = names.pop()
    _check_all(names)
    base, stream, kind = split_stream(last)
    if base:
        check_component(base)
        names.append(base)
    elif names:
        raise NtError(Status.OBJECT_NAME_INVALID, "stream of an empty name")
    if kind == _INDEX:
        if stream.upper() not in _INDEX_NAMES:
            raise NtError(Status.OBJECT_NAME_INVALID, f"no index {stream!r}")
        return Target(tuple(names), "", False, True)
    return Target(tuple(names), stream, True, False)


def _check_all(names: list[str]) -> None:
    for name in names:
        check_component(name)


def join(names: tuple[str, ...], stream: str = "") -> str:
    """Return the share-relative spelling of a path."""
    path = "\\".join(names)
    return f"{path}:{stream}" if stream else path
