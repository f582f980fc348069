"""Persistent opens whose client is away against those who want what they keep  [MS-SMB2 3.3.5.9, MS-FSA 2.1.5.15.3, .11].

Nothing is taken from a client that cannot be told: who wants it waits, for as long as a break may take, and is put off.
"""

from __future__ import annotations

import pytest

from smbcore.nt.create import FILE_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_IF
from smbcore.nt.info.classes import FILE_DISPOSITION_INFORMATION, FILE_RENAME_INFORMATION
from smbcore.nt.status import Status
from smbcore.wire.create_contexts import DURABLE_REQUEST_V2, LEASE, LEASE_FLAG_BREAK_IN_PROGRESS, decode_lease
from smbcore.wire.set_info import SetInfoRequest
from tests.protocol.durable import OTHER_CLIENT, connected, cut, durable, granted, plain, reclaimed
from tests.protocol.steps import create_request, next_break, turn

RH, RWH = 3, 7
BREAK_SECONDS = 35.1


def renamed(name):
    target = name.encode("utf-16-le")
    return bytes(16) + len(target).to_bytes(4, "little") + target


CHANGES = pytest.mark.parametrize(
    ("info_class", "data"),
    [(FILE_RENAME_INFORMATION, renamed("new.txt")), (FILE_DISPOSITION_INFORMATION, b"\1")],
    ids=["rename", "delete"],
)


async def away(server, **more):
    """A persistent open that shares everything, another client's open of the file, and the first client gone."""
    raw = await connected(server, "always")
    more = {"persistent": True, "leased": True, "share": 7, "state": RH, "timeout": 300_000} | more
    file_id = (await durable(raw, **more)).expect().body.file_id
    other = await connected(server, "always", guid=OTHER_CLIENT)
    handle = (await plain(other)).expect().body.file_id
    await cut(raw)
    return file_id, other, handle


async def back(server, file_id):
    raw = await connected(server, "always")
    return raw, (await reclaimed(raw, file_id, persistent=True, leased=True)).expect()


async def put_off(server, other, request):
    """A request of another client waits for as long as for a break, and gets nothing."""
    pending = await other.begin(request)
    await turn()
    assert not pending.final.done()
    server.clock.advance(BREAK_SECONDS)
    await turn()
    assert (await pending.response()).status is Status.FILE_NOT_AVAILABLE


@CHANGES
async def test_who_wants_the_handle_is_put_off_and_takes_nothing(manual, info_class, data):
    """1 RH, away  2 rename or delete waits  3 the time of a break is over: FILE_NOT_AVAILABLE  4 back with RH."""
    file_id, other, handle = await away(manual)
    await put_off(manual, other, SetInfoRequest(1, info_class, handle, data))
    _, response = await back(manual, file_id)
    assert decode_lease(granted(response, LEASE)).lease_state == RH


@CHANGES
async def test_the_client_is_told_when_it_is_back(manual, info_class, data):
    """1 RH, away  2 rename or delete waits  3 back: the break comes  4 acknowledged: it goes on."""
    file_id, other, handle = await away(manual)
    pending = await other.begin(SetInfoRequest(1, info_class, handle, data))
    await turn()
    raw, _ = await back(manual, file_id)
    notice = (await next_break(raw)).body
    assert (notice.current_lease_state, notice.new_lease_state) == (RH, 1)
    await raw.acknowledge_lease_break(notice.lease_key, notice.new_lease_state)
    (await pending.response()).expect()


@CHANGES
async def test_an_open_that_expires_makes_way(manual, info_class, data):
    _, other, handle = await away(manual, timeout=5000)
    pending = await other.begin(SetInfoRequest(1, info_class, handle, data))
    await turn()
    manual.clock.advance(5.1)
    await turn()
    (await pending.response()).expect()


async def test_a_directory_waits_for_what_is_open_below(manual):
    """1 a file below, RWH, away  2 the directory is to be renamed  3 put off, and RWH is still there."""
    other = await connected(manual, "always", guid=OTHER_CLIENT)
    folder = (await plain(other, "d", disposition=FILE_OPEN_IF, options=FILE_DIRECTORY_FILE)).expect().body.file_id
    raw = await connected(manual, "always")
    kept = {"persistent": True, "leased": True, "name": r"d\f"}
    file_id = (await durable(raw, share=7, timeout=300_000, **kept)).expect().body.file_id
    await cut(raw)
    await put_off(manual, other, SetInfoRequest(1, FILE_RENAME_INFORMATION, folder, renamed("e")))
    response = (await reclaimed(await connected(manual, "always"), file_id, **kept)).expect()
    assert decode_lease(granted(response, LEASE)).lease_state == RWH


async def test_what_was_cached_for_reading_goes_with_a_write_and_the_client_hears_of_it(manual):
    """1 RH, away  2 another one writes, without waiting  3 back: nothing is cached, and no answer is awaited."""
    file_id, other, handle = await away(manual)
    (await other.write(handle, 0, b"changed")).expect()
    manual.clock.advance(0)
    _, response = await back(manual, file_id)
    lease = decode_lease(granted(response, LEASE))
    assert (lease.lease_state, lease.flags & LEASE_FLAG_BREAK_IN_PROGRESS) == (0, 0)


async def test_a_lease_with_w_stays_whoever_comes(manual):
    """1 RWH, away  2 an opener waits and is put off  3 back with RWH: what it has not written back yet is good."""
    raw = await connected(manual, "always")
    kept = {"persistent": True, "leased": True}
    file_id = (await durable(raw, share=7, timeout=300_000, **kept)).expect().body.file_id
    await cut(raw)
    other = await connected(manual, "always", guid=OTHER_CLIENT)
    for _ in range(2):
        await put_off(manual, other, create_request("file.txt", disposition=FILE_OPEN))
    response = (await reclaimed(await connected(manual, "always"), file_id, **kept)).expect()
    assert decode_lease(granted(response, LEASE)).lease_state == RWH


async def test_directories_are_not_persistent(server):
    """[MS-SMB2 3.3.5.9.10]."""
    raw = await connected(server, "always")
    response = await durable(raw, persistent=True, leased=True, state=RH, name="d", options=FILE_DIRECTORY_FILE)
    assert granted(response.expect(), DURABLE_REQUEST_V2) is None
