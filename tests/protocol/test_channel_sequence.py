"""Numbers by which repeated requests are told from late ones, and what a CLOSE waits for  [MS-SMB2 3.3.5.2.10]."""

from __future__ import annotations

import pytest

from smbcore.client.message import How
from smbcore.nt.info import fsctl
from smbcore.nt.info.classes import FILE_BASIC_INFORMATION, FILE_STANDARD_INFORMATION
from smbcore.nt.status import Status
from smbcore.server.conformance import FSP_ASYNC_SLEEP
from smbcore.wire.header import FLAG_REPLAY
from smbcore.wire.ioctl import IoctlRequest
from smbcore.wire.query_info import QueryInfoRequest
from smbcore.wire.read import ReadRequest
from smbcore.wire.set_info import SetInfoRequest
from smbcore.wire.write import WriteRequest
from tests.protocol.steps import only, opened, turn


def at(sequence, flags=0):
    return How(channel_sequence=sequence & 0xFFFF, flags=flags)


def changing(file_id):
    """The requests that are refused when they come late."""
    return {
        "write": WriteRequest(file_id, 0, b"x"),
        "set_info": SetInfoRequest(1, FILE_BASIC_INFORMATION, file_id, bytes(40)),
        "ioctl": IoctlRequest(fsctl.FSCTL_SRV_REQUEST_RESUME_KEY, file_id, b"", 100),
    }


def looking(file_id):
    return {
        "read": ReadRequest(file_id, 0, 1),
        "query_info": QueryInfoRequest(1, FILE_STANDARD_INFORMATION, file_id, 99),
    }


CHANGING, LOOKING = tuple(changing(bytes(16))), tuple(looking(bytes(16)))


@pytest.mark.parametrize("command", CHANGING)
@pytest.mark.parametrize("start, late", [(1, 0), (0x7FFF, 0), (0, 0x8000), (0, 0xFFFF), (0x8000, 0x7FFF)])
async def test_a_late_change_is_refused(server, command, start, late):
    """[MS-SMB2 3.3.5.2.10]: the difference counts, in 16 bits"""
    raw = await server.tree()
    file_id = await opened(raw)
    if start >= 0x8000:
        (await raw.call(changing(file_id)[command], at(0x7FFF))).expect()
    (await raw.call(changing(file_id)[command], at(start))).expect()
    assert (await raw.call(changing(file_id)[command], at(late))).status is Status.FILE_NOT_AVAILABLE
    (await raw.call(changing(file_id)[command], at(start))).expect()


@pytest.mark.parametrize("command", LOOKING)
async def test_a_late_look_is_answered(server, command):
    raw = await server.tree()
    file_id = await opened(raw)
    (await raw.write(file_id, 0, b"x", at(5))).expect()
    (await raw.call(looking(file_id)[command], at(4))).expect()


@pytest.mark.parametrize("command", CHANGING)
async def test_newer_numbers_are_accepted_up_to_half_the_range(server, command):
    raw = await server.tree()
    file_id = await opened(raw)
    for sequence in (0x7FFF, 0xFFFE, 0xFFFF, 0):
        (await raw.call(changing(file_id)[command], at(sequence))).expect()


@pytest.mark.parametrize("dialect", [0x0202, 0x0210])
async def test_dialects_without_channels_have_no_numbers(server, dialect):
    raw = await server.tree(offer=only(dialect))
    file_id = await opened(raw)
    (await raw.write(file_id, 0, b"x", at(5))).expect()
    (await raw.write(file_id, 0, b"y", at(1))).expect()


@pytest.mark.parametrize("command", CHANGING)
async def test_a_repetition_is_refused_while_a_request_from_before_is_outstanding(make, command):
    # 1 a request that waits
    server = make(test_controls=True)
    raw = await server.tree()
    file_id = await opened(raw)
    waiting = await raw.begin(IoctlRequest(FSP_ASYNC_SLEEP, file_id, b"\xff"), at(0))
    await waiting.pending()
    # 2 the client lost a channel and repeats: this might be what is under way
    response = await raw.call(changing(file_id)[command], at(1, FLAG_REPLAY))
    assert response.status is Status.FILE_NOT_AVAILABLE
    # 3 a repetition that changes nothing, and a new request, are no danger
    (await raw.call(looking(file_id)["query_info"], at(1, FLAG_REPLAY))).expect()
    (await raw.call(changing(file_id)[command], at(1))).expect()
    # 4 and once it is done, the repetition is welcome
    (await waiting.response()).expect()
    (await raw.call(changing(file_id)[command], at(1, FLAG_REPLAY))).expect()


async def test_a_repetition_beside_a_request_of_the_same_number_is_accepted(make):
    server = make(test_controls=True)
    raw = await server.tree()
    file_id = await opened(raw)
    waiting = await raw.begin(IoctlRequest(FSP_ASYNC_SLEEP, file_id, b"\x20"), at(3))
    await waiting.pending()
    (await raw.write(file_id, 0, b"x", at(3, FLAG_REPLAY))).expect()
    (await waiting.response()).expect()


async def test_close_waits_for_what_works_on_the_file(make):
    """smb2.ioctl.bug14769, smb2.compound_find.compound_find_close"""
    server = make(test_controls=True)
    raw = await server.tree()
    file_id = await opened(raw)
    order = []
    waiting = await raw.begin(IoctlRequest(FSP_ASYNC_SLEEP, file_id, b"\x20"))
    waiting.final.add_done_callback(lambda _: order.append("ioctl"))
    response = await raw.close(file_id)
    order.append("close")
    response.expect()
    (await waiting.response()).expect()
    assert order == ["ioctl", "close"]
    # nothing new begins on a file that is being closed
    assert (await raw.read(file_id, 0, 1)).status is Status.FILE_CLOSED


async def test_a_connection_that_goes_leaves_nothing_outstanding(make):
    server = make(test_controls=True)
    raw = await server.tree()
    file_id = await opened(raw)
    await (await raw.begin(IoctlRequest(FSP_ASYNC_SLEEP, file_id, b"\xff"))).pending()
    raw.connection.close()
    await turn()
    await server.server.drain()
    assert not server.server.opens
