"""What a real core refuses to its clients is in the audit log of its database; limits hold as they were configured."""

from __future__ import annotations

import asyncio
import json
import sqlite3

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.connection import Connection
from smbcore.client.raw import RawClient, negotiate
from smbcore.client.session import sign_in
from smbcore.client.transport import connect_tcp
from smbcore.nt.status import NtError, Status
from smbcore.wire.create_contexts import DURABLE_REQUEST_V2
from tests.interop.server_process import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER, ServerProcess
from tests.interop.waiting import eventually
from tests.protocol.durable import CLIENT, OTHER_CLIENT, durable, granted, reclaimed


@pytest.fixture
def server(tmp_path):
    with ServerProcess(tmp_path, {"max_kept_per_client": 1}).running() as process:
        yield process


async def connected(server, user=USER, password=PASSWORD, guid=CLIENT):
    connection = Connection(await connect_tcp("127.0.0.1", server.port), guid)
    await negotiate(connection)
    raw = RawClient(connection).as_session(await sign_in(connection, Initiator(user, password)))
    return raw.on_tree((await raw.tree_connect(r"\\server\files")).expect())


def ask(server, query):
    database = sqlite3.connect(server.directory.path / "holdfast.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def log_of(server):
    found = ask(server, "select action, actor, object, outcome, address, detail from audit order by id")
    return [(*columns, json.loads(detail)) for *columns, detail in found]


async def test_refusals_are_recorded(server):
    """1 forty wrong passwords  2 a stolen handle  3 a limit: one record each, in that order."""
    for _ in range(40):
        with pytest.raises(NtError):
            await connected(server, password="wrong")  # noqa: S106
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    raw.connection.close()
    await eventually(lambda: bool(ask(server, "select key from open where disconnected_at is not null")))
    thief = await connected(server, OTHER_USER, OTHER_PASSWORD, OTHER_CLIENT)
    assert (await reclaimed(thief, file_id)).status is Status.OBJECT_NAME_NOT_FOUND
    raw = await connected(server)
    response = (await durable(raw, name="second.txt", guid=b"another create g")).expect()
    assert granted(response, DURABLE_REQUEST_V2) is None
    (await reclaimed(raw, file_id, leased=True)).expect()
    await eventually(lambda: len(log_of(server)) == 3)
    await eventually(lambda: log_of(server)[0][5].get("times") == 40)
    sign_in_record, handle_record, limit_record = log_of(server)
    assert sign_in_record[:5] == ("sign_in", "", f"user {USER}", "refused", "127.0.0.1")
    assert handle_record[:5] == ("handle.reconnect", OTHER_USER, "files\\file.txt", "refused", "127.0.0.1")
    assert handle_record[5]["status"] == "OBJECT_NAME_NOT_FOUND"
    assert handle_record[5]["condition"] == "client_guid"
    assert limit_record[:3] == ("handle.keep", USER, "files of files")
    assert limit_record[5]["condition"] == "client_limit"
    assert "wrong" not in json.dumps(log_of(server))


async def test_handles_that_survived_a_restart_count(server):
    """1 one handle is kept over a restart  2 there is no room for another  3 it is reclaimed and closed: there is."""
    raw = await connected(server)
    file_id = (await durable(raw, leased=True)).expect().body.file_id
    await eventually(lambda: bool(ask(server, "select key from open where durable = 'durable'")))
    await asyncio.to_thread(server.stop)
    raw.connection.close()
    await asyncio.to_thread(server.start)
    raw = await connected(server)
    response = (await durable(raw, name="second.txt", guid=b"another create g")).expect()
    assert granted(response, DURABLE_REQUEST_V2) is None
    file_id = (await reclaimed(raw, file_id, leased=True)).expect().body.file_id
    (await raw.close(file_id)).expect()
    response = (await durable(raw, name="third.txt", guid=b"a third create g")).expect()
    assert granted(response, DURABLE_REQUEST_V2) is not None
