"""What a CREATE gives a file along: attributes, a descriptor, space, links  [MS-SMB2 3.3.5.9, 3.3.5.9.1-3.3.5.9.4]"""

from __future__ import annotations

import pytest

from smbcore.nt.access import FILE_ALL_ACCESS, FILE_GENERIC_READ
from smbcore.nt.create import FILE_CREATE, FILE_OPEN, FILE_OPEN_IF, FILE_OVERWRITE_IF
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import FILE_FULL_EA_INFORMATION, FILE_STANDARD_INFORMATION
from smbcore.nt.info.ea import ExtendedAttribute, decode_attributes, encode_attributes
from smbcore.nt.info.file import StandardInformation
from smbcore.nt.info.reparse import SymbolicLink
from smbcore.nt.sddl import from_sddl
from smbcore.nt.security import SecurityDescriptor
from smbcore.nt.status import Status
from smbcore.wire.create import CreateContext
from smbcore.wire.create_contexts import AllocationSize
from smbcore.wire.error import SymlinkError
from smbcore.wire.query_info import INFO_SECURITY

DACL = 4
ONE = [ExtendedAttribute(b"ONE", b"value")]


def eas(entries):
    return CreateContext(b"ExtA", encode_attributes(entries))


async def create(raw, *contexts, name="file", disposition=FILE_CREATE):
    return await raw.create(name, FILE_ALL_ACCESS, disposition, contexts=list(contexts))


async def absent(raw, name="file"):
    return (await raw.create(name, FILE_GENERIC_READ, FILE_OPEN)).status is Status.OBJECT_NAME_NOT_FOUND


async def stored_eas(raw, file_id):
    answer = await raw.query_info(file_id, FILE_FULL_EA_INFORMATION)
    if answer.status is Status.NO_EAS_ON_FILE:
        return {}
    return {entry.name: entry.value for entry in decode_attributes(bytes(answer.expect().body.output))}


@pytest.mark.parametrize("level, status", [
    (0, Status.SUCCESS), (1, Status.SUCCESS), (2, Status.SUCCESS), (3, Status.SUCCESS),
    (4, Status.BAD_IMPERSONATION_LEVEL), (0xFFFFFFFF, Status.BAD_IMPERSONATION_LEVEL),
])  # fmt: skip
async def test_impersonation_levels(server, level, status):
    raw = await server.tree()
    assert (await raw.create("file", FILE_ALL_ACCESS, FILE_OPEN_IF, impersonation=level)).status is status


async def test_extended_attributes_are_those_of_a_new_file(server):
    raw = await server.tree()
    file_id = (await create(raw, eas([*ONE, ExtendedAttribute(b"two", b"2")]))).expect().body.file_id
    assert await stored_eas(raw, file_id) == {b"ONE": b"value", b"TWO": b"2"}
    (await raw.close(file_id)).expect()
    # a file that is there keeps its own, one that is overwritten gets new ones
    file_id = (await create(raw, eas([ExtendedAttribute(b"X", b"x")]), disposition=FILE_OPEN_IF)).expect().body.file_id
    assert set(await stored_eas(raw, file_id)) == {b"ONE", b"TWO"}
    (await raw.close(file_id)).expect()
    replaced = await create(raw, eas([ExtendedAttribute(b"X", b"x")]), disposition=FILE_OVERWRITE_IF)
    assert set(await stored_eas(raw, replaced.expect().body.file_id)) == {b"X"}


@pytest.mark.parametrize("name", [b"a*b", b"a:b", b"\x01", b"a\\b", b'a"b'])
async def test_illegal_names_of_attributes_make_no_file(server, name):
    raw = await server.tree()
    assert (await create(raw, eas([ExtendedAttribute(name, b"x")]))).status is Status.INVALID_EA_NAME
    assert await absent(raw)


async def test_too_many_attributes_make_no_file(server):
    raw = await server.tree()
    many = [ExtendedAttribute(b"N%d" % number, b"x" * 9000) for number in range(8)]
    assert (await create(raw, eas(many))).status is Status.EA_TOO_LARGE
    assert await absent(raw)


@pytest.mark.parametrize("tag, data", [(b"ExtA", b"\x07"), (b"SecD", b"\x01\x00"), (b"AlSi", b"1234"), (b"TWrp", b"")])
async def test_damaged_contexts_make_no_file(server, tag, data):
    raw = await server.tree()
    assert (await create(raw, CreateContext(tag, data))).status is Status.INVALID_PARAMETER
    assert await absent(raw)


async def test_a_descriptor_is_that_of_a_new_file(server):
    raw = await server.tree()
    wanted = from_sddl("D:P(A;;FA;;;WD)").encode()
    file_id = (await create(raw, CreateContext(b"SecD", wanted))).expect().body.file_id
    answer = await raw.query_info(file_id, 0, INFO_SECURITY, additional_information=DACL)
    stored = SecurityDescriptor.decode(bytes(answer.expect().body.output))
    assert [ace.sid for ace in stored.dacl.aces] == [ace.sid for ace in SecurityDescriptor.decode(wanted).dacl.aces]
    (await raw.close(file_id)).expect()
    again = await create(raw, CreateContext(b"SecD", from_sddl("D:P").encode()), disposition=FILE_OPEN_IF)
    again.expect()  # a file that is there keeps its own


async def test_space_is_reserved_for_a_new_file(server):
    raw = await server.tree()
    answer = (await create(raw, CreateContext(b"AlSi", AllocationSize(100_000).encode()))).expect()
    assert answer.body.allocation_size >= 100_000
    assert answer.body.end_of_file == 0
    info = await raw.query_info(answer.body.file_id, FILE_STANDARD_INFORMATION)
    assert StandardInformation.decode(bytes(info.expect().body.output)).allocation_size >= 100_000


async def test_more_space_than_there_is_makes_no_file(server):
    raw = await server.tree()
    assert (await create(raw, CreateContext(b"AlSi", AllocationSize(1 << 60).encode()))).status is Status.DISK_FULL
    assert await absent(raw)


async def test_a_link_on_the_way_is_described_to_the_client(server):
    """1 a directory becomes a link, 2 a path through it fails with the link and what is left of the path."""
    raw = await server.tree()
    link = (await raw.create("link", FILE_ALL_ACCESS, FILE_CREATE, options=1)).expect().body.file_id
    point = SymbolicLink("real", "real", relative=True).reparse_point()
    (await raw.ioctl(fsctl.FSCTL_SET_REPARSE_POINT, point.encode(), file_id=link)).expect()
    (await raw.close(link)).expect()
    answer = await raw.create("link\\sub\\file", FILE_GENERIC_READ, FILE_OPEN)
    assert answer.status is Status.STOPPED_ON_SYMLINK
    (context,) = answer.body.contexts
    told = SymlinkError.decode(context.data)
    assert (told.unparsed_path_length, told.substitute_name) == (2 * len("\\sub\\file"), "real")
