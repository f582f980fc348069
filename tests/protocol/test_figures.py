"""What records say of transfers and open files, as people see it in the management service."""

from __future__ import annotations

from smbcore.nt.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE
from smbcore.nt.create import FILE_OPEN_IF

ACCESS = FILE_GENERIC_READ | FILE_GENERIC_WRITE


def told_of(server):
    """Collect what is told from now on: (kind, row)."""
    told = []
    server.server.records.put = lambda kind, _key, source: told.append((kind, source.row()))
    return told


async def test_transfers_are_told_of_the_open_and_its_session(manual):
    # 1 a client writes ten bytes and reads four
    raw = await manual.tree()
    file_id = (await raw.create("a", ACCESS, FILE_OPEN_IF)).expect().body.file_id
    (await raw.write(file_id, 0, b"0123456789")).expect()
    (await raw.read(file_id, 0, 4)).expect()
    # 2 the records are refreshed
    told = told_of(manual)
    manual.server.tell_io()
    rows = dict(told)
    assert (rows["open"]["bytes_written"], rows["open"]["bytes_read"]) == (10, 4)
    assert (rows["session"]["bytes_in"], rows["session"]["bytes_out"], rows["session"]["opens"]) == (10, 4, 1)
    # 3 once
    told.clear()
    manual.server.tell_io()
    assert told == []


async def test_last_use_is_that_of_the_last_transfer(manual):
    raw = await manual.tree()
    file_id = (await raw.create("a", ACCESS, FILE_OPEN_IF)).expect().body.file_id
    (open_,) = manual.server.opens.values()
    opened_at = open_.row()["last_io_at"]
    (await raw.write(file_id, 0, b"x")).expect()
    manual.clock.advance(60)
    manual.server.tell_io()
    used_at = open_.row()["last_io_at"]
    assert (used_at - opened_at).total_seconds() == 60
    manual.clock.advance(60)
    manual.server.tell_io()
    assert open_.row()["last_io_at"] == used_at


async def test_transfers_of_a_closed_file_stay_in_the_figures_of_its_session(manual):
    raw = await manual.tree()
    file_id = (await raw.create("a", ACCESS, FILE_OPEN_IF)).expect().body.file_id
    manual.server.tell_io()
    (await raw.write(file_id, 0, b"0123456789")).expect()
    (await raw.close(file_id)).expect()
    told = told_of(manual)
    manual.server.tell_io()
    ((kind, row),) = told
    assert (kind, row["bytes_in"], row["opens"]) == ("session", 10, 0)
