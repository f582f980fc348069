"""Checks of what people type; each raises StateError with the field and a sentence."""

from __future__ import annotations

import posixpath

from smbcore.state.errors import ConflictError, StateError

RESERVED_SHARES = frozenset({"ipc$", "admin$", "pipe", "mailslot"})
RESERVED_PRINCIPALS = frozenset(
    {
        "everyone",
        "anonymous",
        "guest",
        "guests",
        "system",
        "network",
        "interactive",
        "authenticated users",
    }
)

_MAX_SHARE_NAME = 80  # NNLEN of the LAN Manager interfaces that list shares
_MAX_PRINCIPAL_NAME = 64
_MAX_NETBIOS_NAME = 15
_MAX_COMMENT = 256
_NOT_IN_SHARE_NAMES = frozenset('"/\\[]:|<>+=;,*?')
_NOT_IN_PRINCIPAL_NAMES = frozenset('"/\\[]:|<>+=;,*?@')
_NOT_IN_NETBIOS_NAMES = frozenset('"/\\[]:|<>+=;,*? .')


def check_share_name(name: str) -> str:
    """Return the name of a share that people may create.  [MS-SRVS 2.2.4, MS-FSCC 2.1.6]"""
    _check_characters("name", name, _MAX_SHARE_NAME, _NOT_IN_SHARE_NAMES)
    if name in (".", ".."):
        raise StateError("name", "This name is not possible.")
    if name.casefold() in RESERVED_SHARES:
        raise StateError("name", f"The name {name} is reserved.")
    return name


def check_principal_name(name: str) -> str:
    """Return the name of an account or a group."""
    _check_characters("name", name, _MAX_PRINCIPAL_NAME, _NOT_IN_PRINCIPAL_NAMES)
    if name.endswith("."):
        raise StateError("name", "The name must not end with a dot.")
    if name.casefold() in RESERVED_PRINCIPALS:
        raise StateError("name", f"The name {name} is reserved.")
    return name


def check_netbios_name(field: str, name: str) -> str:
    """Return a server or workgroup name."""
    _check_characters(field, name, _MAX_NETBIOS_NAME, _NOT_IN_NETBIOS_NAMES)
    if not name.isascii():
        raise StateError(field, "Only ASCII characters are possible here.")
    return name


def check_comment(field: str, text: str) -> str:
    """Return one line of free text."""
    if len(text) > _MAX_COMMENT:
        raise StateError(field, f"At most {_MAX_COMMENT} characters are possible.")
    if not text.isprintable():
        raise StateError(field, "Control characters are not possible here.")
    return text


def check_path(path: str) -> str:
    """Return the absolute directory of a share, without a trailing slash."""
    if not path.startswith("/"):
        raise StateError("path", "The path must be absolute: it begins with a slash.")
    if not path.isprintable():
        raise StateError("path", "Control characters are not possible in the path.")
    if ".." in path.split("/"):
        raise StateError("path", "The path must not contain '..'.")
    normal = "/" + posixpath.normpath(path).lstrip("/")
    if normal == "/":
        raise StateError("path", "The root directory cannot be shared.")
    return normal


def check_version(found: int, expected: int | None) -> None:
    """Raise ConflictError unless the row is still the one that the caller has seen; None means any."""
    if expected is not None and found != expected:
        raise ConflictError(
            "version",
            "Someone else changed this meanwhile: load it again and repeat your change.",
        )


def check_choice(field: str, value: str, choices: tuple[str, ...]) -> str:
    """Return one of a few words."""
    if value not in choices:
        raise StateError(field, f"Must be one of {', '.join(choices)}.")
    return value


def _check_characters(field: str, name: str, longest: int, forbidden: frozenset[str]) -> None:
    if not name:
        raise StateError(field, "A name is needed.")
    if len(name) > longest:
        raise StateError(field, f"At most {longest} characters are possible.")
    if name != name.strip():
        raise StateError(field, "The name must not begin or end with a space.")
    if not name.isprintable():
        raise StateError(field, "Control characters are not possible in a name.")
    wrong = sorted(forbidden & set(name))
    if wrong:
        raise StateError(field, f"These characters are not possible: {' '.join(wrong)}")
