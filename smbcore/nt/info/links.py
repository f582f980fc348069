"""Lists of streams and hard links of one file  [MS-FSCC 2.4]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

from smbcore.nt.info.buffers import Buffer, join_aligned, next_entry, to_utf16, unpack, utf16

_STREAM = Struct("<IIqq")  # NextEntryOffset, StreamNameLength, StreamSize, StreamAllocationSize
# NextEntryOffset, ParentFileId, FileNameLength in characters. The 4 bytes of padding are not drawn in the
# document, but Windows sends its native structure, whose 64-bit member is aligned.
_LINK = Struct("<I4xQI")
_LINKS = Struct("<II")  # BytesNeeded, EntriesReturned

MAIN_STREAM = "::$DATA"


@dataclass(slots=True)
class StreamEntry:
    """One entry of FileStreamInformation.

    name  ":stream:$DATA"; "::$DATA" is the main data stream
    """

    name: str
    size: int
    allocation_size: int


def encode_streams(streams: Iterable[StreamEntry]) -> bytes:
    """Encode FileStreamInformation; nothing for a directory without streams."""
    entries = []
    for stream in streams:
        name = to_utf16(stream.name)
        entries.append(_STREAM.pack(0, len(name), stream.size, stream.allocation_size) + name)
    return join_aligned(entries, 8)


def whole_streams(data: bytes, max_length: int) -> bytes:
    """Return the entries of an encoded FileStreamInformation that fit whole, the last one as such.

    [MS-FSA 2.1.5.12.29]
    """
    last, end, at = -1, 0, 0
    while True:
        step, length, _, _ = unpack(_STREAM, data, at)
        if at + _STREAM.size + length > max_length:
            break
        last, end = at, at + _STREAM.size + length
        if not step:
            break
        at += step
    return b"" if last < 0 else data[:last] + bytes(4) + data[last + 4 : end]


def decode_streams(data: Buffer) -> list[StreamEntry]:
    """Decode FileStreamInformation. Raises WireError."""
    streams: list[StreamEntry] = []
    offset = 0 if len(data) else -1
    while offset >= 0:
        step, length, size, allocation = unpack(_STREAM, data, offset)
        name = utf16(data, offset + _STREAM.size, length)
        streams.append(StreamEntry(name, size, allocation))
        offset = next_entry(data, offset, step, _STREAM.size + length)
    return streams


@dataclass(slots=True)
class LinkEntry:
    """One hard link: the id of the directory it is in, and its name there."""

    parent_file_id: int
    name: str


def encode_links(links: Iterable[LinkEntry]) -> bytes:
    """Encode FileHardLinkInformation with all links."""
    entries = []
    for link in links:
        name = to_utf16(link.name)
        entries.append(_LINK.pack(0, link.parent_file_id, len(name) // 2) + name)
    body = join_aligned(entries, 8)
    return _LINKS.pack(_LINKS.size + len(body), len(entries)) + body


def decode_links(data: Buffer) -> list[LinkEntry]:
    """Decode FileHardLinkInformation. Raises WireError."""
    _, count = unpack(_LINKS, data)
    links: list[LinkEntry] = []
    offset = _LINKS.size if count else -1
    while offset >= 0:
        step, parent, length = unpack(_LINK, data, offset)
        links.append(LinkEntry(parent, utf16(data, offset + _LINK.size, 2 * length)))
        offset = next_entry(data, offset, step, _LINK.size + 2 * length)
    return links
