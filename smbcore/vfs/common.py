"""Rules that every backend shares: sizes of EAs, reparse data, where a symbolic link leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

REPARSE = "reparse"
"""Name of the object metadata that holds a REPARSE_DATA_BUFFER; its tag shows in NodeInfo."""

SYMLINK = "posix.symlink"
"""Name of the object metadata that gives the target of a symbolic link of the store (UTF-8); read only."""

MAX_EXTENDED_ATTRIBUTES = 65_535
"""Bytes that all EAs of one file may take, counted as `ea_size` does."""

MAX_OBJECT_METADATA = 16 * 1024
MAX_LINK_HOPS = 8
MAX_OFFSET = 0x7FFF_FFFF_FFFF_FFFF


def ea_size(attributes: Mapping[bytes, bytes]) -> int:
    """Return the size of the EAs as FileEaInformation counts: 4 bytes for the list, 5 beside each name and value."""
    if not attributes:
        return 0
    return 4 + sum(5 + len(name) + len(value) for name, value in attributes.items())


def reparse_tag(data: bytes | None) -> int:
    """Return the tag that a REPARSE_DATA_BUFFER starts with, 0 for none  [MS-FSCC 2.1.2.2]."""
    return 0 if data is None or len(data) < 4 else int.from_bytes(data[:4], "little")


def link_target(link: Sequence[str], target: str) -> tuple[str, ...] | None:
    """Return the path that the symbolic link at `link` leads to, None where it leaves the volume.

    link    components from the root to the link;  target  what the link holds, with slashes
    """
    if target.startswith("/"):
        return None
    at = list(link[:-1])
    for name in target.split("/"):
        if name in ("", "."):
            continue
        if name != "..":
            at.append(name)
        elif at:
            at.pop()
        else:
            return None
    return tuple(at)
