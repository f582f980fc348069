"""TREE_CONNECT, CREATE and what works on opens  [MS-SMB2 3.3.5.7 to 3.3.5.21]"""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.nt.access import DELETE, FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_READ_ATTRIBUTES
from smbcore.nt.create import (
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NON_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_OVERWRITE,
    FILE_SHARE_READ,
)
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import (
    FILE_BASIC_INFORMATION,
    FILE_END_OF_FILE_INFORMATION,
    FILE_ID_BOTH_DIRECTORY_INFORMATION,
    FILE_RENAME_INFORMATION,
    FILE_STANDARD_INFORMATION,
)
from smbcore.nt.info.directory import decode_entries
from smbcore.nt.info.file import EndOfFileInformation, StandardInformation
from smbcore.nt.info.rename import RenameInformation
from smbcore.nt.security import SecurityDescriptor
from smbcore.nt.status import Status
from smbcore.server.config import Limits
from smbcore.wire.close import FLAG_POSTQUERY_ATTRIB
from smbcore.wire.create import CreateContext
from smbcore.wire.create_contexts import MaximalAccessRequest, MaximalAccessResponse, QueryOnDiskId
from smbcore.wire.query_directory import RESTART_SCANS, RETURN_SINGLE_ENTRY
from smbcore.wire.query_info import INFO_FILESYSTEM, INFO_SECURITY
from smbcore.wire.tree_connect import ShareType
from tests.protocol.steps import ANY, DIALECTS, only, opened

# -- trees --


@pytest.mark.parametrize("path, status", [
    (r"\\server\data", Status.SUCCESS), (r"\\server\DATA", Status.SUCCESS), (r"\\any.other.name\data", Status.SUCCESS),
    (r"\\server\nothing", Status.BAD_NETWORK_NAME), (r"\\server", Status.BAD_NETWORK_NAME),
    (r"\\server\data\folder", Status.BAD_NETWORK_NAME), ("data", Status.BAD_NETWORK_NAME), ("", Status.BAD_NETWORK_NAME),
    ("\\\\server\\" + "x" * 81, Status.BAD_NETWORK_NAME), (r"\\server\closed", Status.ACCESS_DENIED),
])  # fmt: skip
async def test_tree_connect(server, path, status):
    raw = await server.session()
    assert (await raw.tree_connect(path)).status is status


async def test_kinds_of_shares(server):
    raw = await server.session()
    assert (await raw.tree_connect(r"\\server\IPC$")).body.share_type == ShareType.PIPE
    response = await raw.tree_connect(r"\\server\readable")
    assert response.body.share_type == ShareType.DISK
    assert not response.body.maximal_access & 2


async def test_share_access_limits_opens(server):
    raw = await server.tree("readable")
    assert (await raw.create("new", FILE_GENERIC_WRITE, FILE_CREATE)).status is Status.ACCESS_DENIED
    (await raw.create("", FILE_GENERIC_READ)).expect()


async def test_tree_disconnect_closes_what_is_open_through_it(server):
    # 1 two trees to one share, a file open through each
    one = await server.tree()
    two = one.on_tree((await one.tree_connect(r"\\server\data")).expect())
    assert one.tree_id != two.tree_id
    first, second = await opened(one, "a"), await opened(two, "b")
    # 2 a handle is of one tree only
    assert (await two.flush(first)).status is Status.FILE_CLOSED
    # 3 the first tree goes
    (await one.tree_disconnect()).expect()
    assert (await one.flush(first)).status is Status.NETWORK_NAME_DELETED
    assert (await one.tree_disconnect()).status is Status.NETWORK_NAME_DELETED
    (await two.flush(second)).expect()
    await server.server.drain()
    assert len(server.server.opens) == 1


async def test_trees_of_a_session_are_bounded(make):
    raw = await make(limits=Limits(trees_per_session=2)).session()
    for _ in range(2):
        (await raw.tree_connect(r"\\server\data")).expect()
    assert (await raw.tree_connect(r"\\server\data")).status is Status.INSUFFICIENT_RESOURCES


# -- create and close --


@pytest.mark.parametrize("changes, status", [
    ({"impersonation": 4}, Status.BAD_IMPERSONATION_LEVEL),
    ({"access": 0}, Status.ACCESS_DENIED),
    ({"access": 0x0CE0FE00}, Status.ACCESS_DENIED),
    ({"disposition": 6}, Status.INVALID_PARAMETER),
    ({"share": 8}, Status.INVALID_PARAMETER),
    ({"options": 0x01000000}, Status.INVALID_PARAMETER),
    ({"options": FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE}, Status.INVALID_PARAMETER),
    ({"name": "\\x"}, Status.INVALID_PARAMETER),
    ({"name": "no\\where"}, Status.OBJECT_PATH_NOT_FOUND),
    ({"name": "no where", "disposition": FILE_OPEN}, Status.OBJECT_NAME_NOT_FOUND),
    ({"name": "a*b"}, Status.OBJECT_NAME_INVALID),
    ({"name": "x" * 256}, Status.OBJECT_NAME_INVALID),
    ({"options": FILE_DELETE_ON_CLOSE, "access": FILE_GENERIC_READ}, Status.ACCESS_DENIED),
    ({"name": "", "disposition": FILE_CREATE}, Status.OBJECT_NAME_COLLISION),
    ({"name": "", "options": FILE_NON_DIRECTORY_FILE, "disposition": FILE_OPEN}, Status.FILE_IS_A_DIRECTORY),
])  # fmt: skip
async def test_create_that_must_fail(server, changes, status):
    raw = await server.tree()
    fields = {"name": "file", "access": FILE_ALL_ACCESS, "disposition": FILE_OPEN_IF} | changes
    assert (await raw.create(**fields)).status is status
    await server.server.drain()
    assert not server.server.opens


async def test_close_with_and_without_attributes(server):
    raw = await server.tree()
    file_id = await opened(raw)
    (await raw.write(file_id, 0, b"12345")).expect()
    body = (await raw.close(file_id, FLAG_POSTQUERY_ATTRIB)).expect().body
    assert (body.flags, body.end_of_file) == (FLAG_POSTQUERY_ATTRIB, 5)
    assert body.creation_time
    body = (await raw.close(await opened(raw))).expect().body
    assert (body.flags, body.end_of_file, body.creation_time) == (0, 0, 0)


@pytest.mark.parametrize("file_id", [bytes(16), ANY, b"0123456789abcdef"])
async def test_unknown_handles_are_file_closed(server, file_id):
    raw = await server.tree()
    known = await opened(raw)
    for unknown in (file_id, known[:8] + bytes(8), bytes(8) + known[8:]):
        for response in (
            await raw.close(unknown), await raw.flush(unknown), await raw.read(unknown, 0, 1),
            await raw.write(unknown, 0, b"x"), await raw.query_info(unknown, FILE_BASIC_INFORMATION),
            await raw.set_info(unknown, FILE_BASIC_INFORMATION, bytes(40)), await raw.lock(unknown, []),
            await raw.query_directory(unknown, 1), await raw.change_notify(unknown, 1),
            await raw.ioctl(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id=unknown),
            await raw.acknowledge_oplock_break(unknown, 0),
        ):  # fmt: skip
            # which of the two comes first for a LOCK without ranges is not said
            assert response.status in (Status.FILE_CLOSED, Status.INVALID_PARAMETER), response


async def test_closed_handle_is_closed(server):
    raw = await server.tree()
    file_id = await opened(raw)
    (await raw.close(file_id)).expect()
    assert (await raw.close(file_id)).status is Status.FILE_CLOSED


async def test_handles_of_another_session_are_closed_here(server):
    one, two = await server.tree(), await server.tree()
    assert (await two.flush(await opened(one))).status is Status.FILE_CLOSED


async def test_sharing(server):
    one, two = await server.tree(), await server.tree()
    file_id = await opened(one, share=FILE_SHARE_READ)
    assert (await two.create("file.txt", FILE_GENERIC_WRITE)).status is Status.SHARING_VIOLATION
    (await two.create("file.txt", FILE_READ_ATTRIBUTES)).expect()
    (await one.close(file_id)).expect()
    (await two.create("file.txt", FILE_GENERIC_WRITE)).expect()


async def test_delete_on_close(server):
    raw = await server.tree()
    file_id = await opened(raw, access=DELETE | FILE_GENERIC_WRITE, options=FILE_DELETE_ON_CLOSE)
    (await raw.close(file_id)).expect()
    assert (await raw.create("file.txt")).status is Status.OBJECT_NAME_NOT_FOUND


async def test_opens_of_a_session_are_bounded(make):
    raw = await make(limits=Limits(opens_per_session=3)).tree()
    for number in range(3):
        await opened(raw, f"{number}")
    assert (await raw.create("0")).status is Status.TOO_MANY_OPENED_FILES


async def test_simple_create_contexts(server):
    raw = await server.tree()
    contexts = [
        CreateContext(b"MxAc", MaximalAccessRequest().encode()),
        CreateContext(b"QFid"),
        CreateContext(b"what", b"?"),
    ]
    response = await raw.create("file", FILE_ALL_ACCESS, FILE_OPEN_IF, contexts=contexts)
    answers = {context.name: context.data for context in response.expect().body.contexts}
    assert set(answers) == {b"MxAc", b"QFid"}
    assert MaximalAccessResponse.decode(answers[b"MxAc"]).maximal_access & FILE_ALL_ACCESS == FILE_ALL_ACCESS
    assert QueryOnDiskId.decode(answers[b"QFid"]).disk_file_id


async def test_maximal_access_is_what_the_share_leaves(server):
    """[MS-SMB2 3.3.5.9.5] A client that is told of rights which it cannot open with shows what it cannot do."""
    raw = await server.tree("readable")
    context = CreateContext(b"MxAc", MaximalAccessRequest().encode())
    response = await raw.create("", 0x80, FILE_OPEN, contexts=[context])
    (answer,) = response.expect().body.contexts
    told = MaximalAccessResponse.decode(answer.data).maximal_access
    assert told & 0x1F01FF == 0x1200A9
    assert (await raw.create("", told, FILE_OPEN)).status is Status.SUCCESS


# -- read and write --


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("size", [0, 1, 100, 65536])
async def test_what_is_written_is_read(server, dialect, size):
    raw = await server.tree(offer=only(dialect))
    file_id = await opened(raw)
    data = bytes(i * 7 & 255 for i in range(size))
    assert (await raw.write(file_id, 3, data)).expect().body.count == size
    if size:
        assert bytes((await raw.read(file_id, 3, size)).expect().body.data) == data
        whole = (await raw.read(file_id, 0, min(size + 100, 65536))).expect().body.data
        assert bytes(whole) == (bytes(3) + data)[:65536]


async def test_202_moves_64_kib_at_a_time_at_most(server):
    raw = await server.tree(offer=only(0x0202))
    file_id = await opened(raw)
    assert (await raw.read(file_id, 0, 65537)).status is Status.INVALID_PARAMETER
    assert (await raw.write(file_id, 0, bytes(65537))).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("dialect", DIALECTS[1:])
async def test_large_read_and_write_cost_more_credits(server, dialect):
    raw = await server.tree(offer=only(dialect))
    await raw.echo(How(credits=256))
    file_id = await opened(raw)
    data = bytes(range(256)) * 8192
    assert (await raw.write(file_id, 0, data)).expect().body.count == len(data)
    response = await raw.read(file_id, 0, len(data))
    assert response.header.credit_charge == 32
    assert bytes(response.expect().body.data) == data
    assert (await raw.read(file_id, 0, 65537, How(charge=1))).status is Status.INVALID_PARAMETER
    assert (await raw.read(file_id, 0, 65537, How(charge=0))).status is Status.INVALID_PARAMETER
    assert (await raw.write(file_id, 0, bytes(65537), How(charge=1))).status is Status.INVALID_PARAMETER


async def test_end_of_file_and_minimum_count(server):
    raw = await server.tree()
    file_id = await opened(raw)
    assert (await raw.read(file_id, 0, 1)).status is Status.END_OF_FILE
    (await raw.write(file_id, 0, b"12345")).expect()
    assert bytes((await raw.read(file_id, 3, 10)).expect().body.data) == b"45"
    assert (await raw.read(file_id, 3, 10, minimum_count=3)).status is Status.END_OF_FILE
    assert (await raw.read(file_id, 5, 1)).status is Status.END_OF_FILE


async def test_access_is_checked_on_the_handle(server):
    raw = await server.tree()
    (await raw.close(await opened(raw))).expect()
    file_id = await opened(raw, access=FILE_READ_ATTRIBUTES, disposition=FILE_OPEN)
    assert (await raw.read(file_id, 0, 1)).status is Status.ACCESS_DENIED
    assert (await raw.write(file_id, 0, b"x")).status is Status.ACCESS_DENIED


async def test_sizes_beyond_what_was_negotiated(make):
    raw = await make(max_read=1 << 17, max_write=1 << 17, max_transact=1 << 17).tree()
    await raw.echo(How(credits=256))
    file_id = await opened(raw)
    assert (await raw.read(file_id, 0, (1 << 17) + 1)).status is Status.INVALID_PARAMETER
    assert (await raw.write(file_id, 0, bytes((1 << 17) + 1))).status is Status.INVALID_PARAMETER
    too_much = (1 << 17) + 1
    assert (
        await raw.query_info(file_id, FILE_BASIC_INFORMATION, max_output=too_much)
    ).status is Status.INVALID_PARAMETER
    assert (await raw.ioctl(fsctl.FSCTL_GET_COMPRESSION, max_output=too_much)).status is Status.INVALID_PARAMETER


# -- information --


async def test_query_and_set_file_information(server):
    raw = await server.tree()
    file_id = await opened(raw)
    (await raw.set_info(file_id, FILE_END_OF_FILE_INFORMATION, EndOfFileInformation(1000).encode())).expect()
    output = (await raw.query_info(file_id, FILE_STANDARD_INFORMATION)).expect().body.output
    assert StandardInformation.decode(bytes(output)).end_of_file == 1000
    assert (
        await raw.query_info(file_id, FILE_STANDARD_INFORMATION, max_output=3)
    ).status is Status.INFO_LENGTH_MISMATCH
    assert (await raw.query_info(file_id, 200)).status is Status.INVALID_INFO_CLASS
    assert (await raw.set_info(file_id, 200, b"x")).status is Status.INVALID_INFO_CLASS
    assert (await raw.set_info(file_id, FILE_BASIC_INFORMATION, b"short")).status is Status.INFO_LENGTH_MISMATCH


async def test_rename(server):
    raw = await server.tree()
    file_id = await opened(raw, "old")
    (await raw.set_info(file_id, FILE_RENAME_INFORMATION, RenameInformation("new").encode())).expect()
    (await raw.close(file_id)).expect()
    assert (await raw.create("old")).status is Status.OBJECT_NAME_NOT_FOUND
    (await raw.create("new")).expect()


async def test_security_descriptor(server):
    raw = await server.tree()
    file_id = await opened(raw)
    response = await raw.query_info(file_id, 0, INFO_SECURITY, additional_information=7)
    descriptor = SecurityDescriptor.decode(bytes(response.expect().body.output))
    assert descriptor.owner is not None
    response = await raw.query_info(file_id, 0, INFO_SECURITY, max_output=4, additional_information=7)
    assert response.status is Status.BUFFER_TOO_SMALL
    needed = int.from_bytes(bytes(response.body.payload)[:4], "little")
    assert needed == len(descriptor.encode())


async def test_file_system_information(server):
    raw = await server.tree()
    file_id = await opened(raw, "", access=FILE_GENERIC_READ, disposition=FILE_OPEN)
    for info_class in (1, 3, 4, 5, 7):
        assert (await raw.query_info(file_id, info_class, INFO_FILESYSTEM)).expect().body.output
    assert (await raw.query_info(file_id, 99, INFO_FILESYSTEM)).status is Status.INVALID_INFO_CLASS


async def test_directory_listing(server):
    # 1 a directory with files
    raw = await server.tree()
    (await raw.close(await opened(raw, "dir", options=FILE_DIRECTORY_FILE))).expect()
    names = {f"file {number}" for number in range(50)}
    for name in names:
        (await raw.close(await opened(raw, f"dir\\{name}"))).expect()
    directory = await opened(raw, "dir", access=FILE_GENERIC_READ, disposition=FILE_OPEN)
    # 2 the listing comes in pieces, to its end
    found = []
    while True:
        response = await raw.query_directory(directory, FILE_ID_BOTH_DIRECTORY_INFORMATION, max_output=1024)
        if response.status is Status.NO_MORE_FILES:
            break
        output = response.expect().body.output
        assert len(output) <= 1024
        found += [e.name for e in decode_entries(FILE_ID_BOTH_DIRECTORY_INFORMATION, bytes(output))]
    assert sorted(found) == sorted(names | {".", ".."})
    # 3 it stays at its end until it is restarted
    response = await raw.query_directory(directory, FILE_ID_BOTH_DIRECTORY_INFORMATION)
    assert response.status is Status.NO_MORE_FILES
    response = await raw.query_directory(
        directory, FILE_ID_BOTH_DIRECTORY_INFORMATION, flags=RESTART_SCANS | RETURN_SINGLE_ENTRY
    )
    assert len(decode_entries(FILE_ID_BOTH_DIRECTORY_INFORMATION, bytes(response.expect().body.output))) == 1
    # 4 nothing fits, nothing matches, no directory
    response = await raw.query_directory(
        directory, FILE_ID_BOTH_DIRECTORY_INFORMATION, max_output=50, flags=RESTART_SCANS
    )
    assert response.status in (Status.INFO_LENGTH_MISMATCH, Status.BUFFER_OVERFLOW)
    other = await opened(raw, "dir", access=FILE_GENERIC_READ, disposition=FILE_OPEN)
    assert (await raw.query_directory(other, 37, "nothing*")).status is Status.NO_SUCH_FILE
    file_id = await opened(raw, "plain")
    assert (await raw.query_directory(file_id, 37)).status is Status.INVALID_PARAMETER


# -- ioctl --


async def test_ioctls_that_are_none(server):
    raw = await server.tree()
    file_id = await opened(raw)
    assert (await raw.ioctl(0x00090000, file_id=file_id)).status is Status.INVALID_DEVICE_REQUEST
    assert (await raw.ioctl(fsctl.FSCTL_GET_COMPRESSION, file_id=file_id, flags=0)).status is Status.NOT_SUPPORTED
    assert (await raw.ioctl(fsctl.FSCTL_DFS_GET_REFERRALS, b"x")).status is Status.FS_DRIVER_REQUIRED


async def test_copy_on_the_server(server):
    # 1 a source and its key
    raw = await server.tree()
    source, target = await opened(raw, "source"), await opened(raw, "target")
    (await raw.write(source, 0, b"0123456789")).expect()
    output = (await raw.ioctl(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id=source)).expect().body.output
    key = fsctl.ResumeKey.decode(bytes(output)).key
    # 2 two chunks
    request = fsctl.CopyChunkRequest(key, [fsctl.CopyChunk(5, 0, 5), fsctl.CopyChunk(0, 5, 5)]).encode()
    output = (await raw.ioctl(fsctl.FSCTL_SRV_COPYCHUNK, request, file_id=target)).expect().body.output
    assert fsctl.CopyChunkResponse.decode(bytes(output)) == fsctl.CopyChunkResponse(2, 0, 10)
    assert bytes((await raw.read(target, 0, 10)).expect().body.data) == b"5678901234"
    # 3 too large a chunk: the limits come back
    request = fsctl.CopyChunkRequest(key, [fsctl.CopyChunk(0, 0, 1 << 24)]).encode()
    response = await raw.ioctl(fsctl.FSCTL_SRV_COPYCHUNK, request, file_id=target)
    assert response.status is Status.INVALID_PARAMETER
    assert fsctl.CopyChunkResponse.decode(bytes(response.body.output)).chunks_written == 256
    # 4 beyond the end of the source, in the second chunk: how far it came, with the error
    request = fsctl.CopyChunkRequest(key, [fsctl.CopyChunk(0, 0, 4), fsctl.CopyChunk(0, 4, 11)]).encode()
    response = await raw.ioctl(fsctl.FSCTL_SRV_COPYCHUNK, request, file_id=target)
    assert response.status is Status.INVALID_VIEW_SIZE
    assert fsctl.CopyChunkResponse.decode(bytes(response.body.output)) == fsctl.CopyChunkResponse(1, 0, 4)
    # 5 an unknown key, and one of a closed file
    request = fsctl.CopyChunkRequest(bytes(24), [fsctl.CopyChunk(0, 0, 1)]).encode()
    assert (await raw.ioctl(fsctl.FSCTL_SRV_COPYCHUNK, request, file_id=target)).status is Status.OBJECT_NAME_NOT_FOUND
    (await raw.close(source)).expect()
    request = fsctl.CopyChunkRequest(key, [fsctl.CopyChunk(0, 0, 1)]).encode()
    assert (await raw.ioctl(fsctl.FSCTL_SRV_COPYCHUNK, request, file_id=target)).status is Status.OBJECT_NAME_NOT_FOUND


async def test_pipe(server):
    raw = await server.tree("IPC$")
    file_id = (await raw.create("srvsvc", 0x12019F)).expect().body.file_id
    assert (await raw.read(file_id, 0, 100)).status is Status.PIPE_EMPTY
    (await raw.close(file_id)).expect()
    assert (await raw.create("nothing", 0x12019F)).status is Status.OBJECT_NAME_NOT_FOUND


async def test_overwrite_of_nothing(server):
    raw = await server.tree()
    assert (await raw.create("x", FILE_ALL_ACCESS, FILE_OVERWRITE)).status is Status.OBJECT_NAME_NOT_FOUND
