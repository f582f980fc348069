"""The files of a memory volume and the links that name them."""

from __future__ import annotations

from dataclasses import dataclass, field

from smbcore.vfs.memory.data import SparseBytes


@dataclass(slots=True, eq=False)
class Stream:
    """One data stream; `name` is "" for the main one."""

    name: str
    data: SparseBytes = field(default_factory=SparseBytes)


@dataclass(slots=True, eq=False)
class Link:
    """One name of a file in a directory; `short` is its 8.3 name, "" where `name` is one already."""

    parent: File
    name: str
    short: str
    file: File


@dataclass(slots=True, eq=False)
class File:
    """A file, directory or symbolic link with everything that is stored with it.

    children  folded name -> link, in the order of creation (directories)
    shorts    folded 8.3 name -> link (directories)
    streams   folded stream name -> stream
    target    where a symbolic link points to, None for anything else
    """

    file_id: int
    is_directory: bool
    creation_time: int
    attributes: int = 0
    last_access_time: int = 0
    last_write_time: int = 0
    change_time: int = 0
    security: bytes | None = None
    target: str | None = None
    main: Stream = field(default_factory=lambda: Stream(""))
    streams: dict[str, Stream] = field(default_factory=dict)
    extended_attributes: dict[bytes, bytes] = field(default_factory=dict)
    metadata: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Link] = field(default_factory=dict)
    shorts: dict[str, Link] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    def path(self) -> tuple[str, ...] | None:
        """Return the path of the first link, () for the root, None when no link is left."""
        names: list[str] = []
        at = self
        while at.links:
            names.append(at.links[0].name)
            at = at.links[0].parent
        return tuple(reversed(names)) if at.file_id == ROOT_ID else None


ROOT_ID = 5
"""The file id of the root, as on NTFS."""
