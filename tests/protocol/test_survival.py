"""Rows of an earlier run that do not fit: what they stand for is dropped, and the others come back."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from smbcore.nt.clock import ManualClock
from smbcore.server.survival import restore
from smbcore.state.survivors import Survivors
from smbcore.vfs.memory.backend import MemoryBackend
from tests.protocol.durable import connected, durable, reclaimed

OTHER_KEY = b"other key".ljust(16, b".")
OTHER_GUID = b"other guid".ljust(16, b".")


@pytest.fixture
async def restarted(make):
    """Open two files under leases, end the server, and start one anew with rows that `change` has worked on."""
    clock = ManualClock()
    files = MemoryBackend(clock)

    async def restarted(change):
        server = make(clock, backend=lambda _: files)
        raw = await connected(server)
        ids = [
            (await durable(raw, leased=True, name=name, key=key, guid=guid)).expect().body.file_id
            for name, key, guid in (("1.txt", b"1" * 16, b"a" * 16), ("2.txt", OTHER_KEY, OTHER_GUID))
        ]
        now = {"disconnected_at": datetime.now(UTC)}
        rows = [{**open_.row(), **now, "key": key} for key, open_ in server.server.opens.items()]
        assert [row["path"] for row in rows] == ["1.txt", "2.txt"]
        change(*rows)
        await server.close()
        again = make(clock, backend=lambda _: files)
        await restore(again.server, Survivors(tuple(rows), (), ()))
        return again, ids

    return restarted


def same_lease(first, second):
    first["lease_key"] = second["lease_key"]


def without(name):
    def change(row, _):
        del row["doc"][name]

    return change


def unknown_oplock(row, _):
    row["lease_key"], row["oplock"] = None, "of another time"


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda *_: None, ["1.txt", "2.txt"]),
        (same_lease, ["1.txt"]),
        (without("version"), ["2.txt"]),
        (without("lease_version"), ["2.txt"]),
        (without("lease_epoch"), ["2.txt"]),
        (without("ranges"), ["2.txt"]),
        (unknown_oplock, ["2.txt"]),
    ],
    ids=["all fit", "one lease for two files", "no version", "no lease", "no epoch", "no ranges", "unknown oplock"],
)
async def test_a_row_that_does_not_fit_keeps_nothing_from_starting(restarted, caplog, change, left):
    caplog.set_level(logging.WARNING)
    server, ids = await restarted(change)
    assert [away.file.path for away in server.server.disconnected] == left
    assert len(server.server.leases._leases) == len(left)
    assert sum("is not kept" in record.getMessage() for record in caplog.records) == 2 - len(left)
    # the file of the other one is not open any more, and the one that was kept is its client's
    raw = await connected(server)
    for name, file_id, key, guid in (("1.txt", ids[0], b"1" * 16, b"a" * 16), ("2.txt", ids[1], OTHER_KEY, OTHER_GUID)):
        if name not in left:
            (await raw.create(name, share=0)).expect()
        elif change is not same_lease:
            (await reclaimed(raw, file_id, leased=True, name=name, key=key, guid=guid)).expect()
