"""Records of sessions and tree connects are stored before the reply that promises them; nothing else waits for it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from smbcore.auth.initiator import Initiator
from smbcore.client.session import SetupExchange, bind
from smbcore.nt.create import FILE_OPEN_IF
from smbcore.nt.status import NtError, Status
from smbcore.state.errors import StateUnavailableError
from smbcore.wire.header import Opcode
from smbcore.wire.tree_connect import TreeConnectRequest
from tests.memory_server import PASSWORD, USER
from tests.protocol.durable import request
from tests.protocol.steps import create_request, opened, turn

DATA = r"\\server\data"


class Records:
    """What the mirror does, as far as the server sees it; `gate` closed holds up every write-through."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], object] = {}
        self.written: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.available = True

    async def flush(self) -> None:
        """Everything is stored at once."""

    def put(self, kind: str, key: int, source: object) -> None:
        self.rows[kind, key] = source

    def drop(self, kind: str, key: int) -> None:
        self.rows.pop((kind, key), None)

    async def write_through(self, kind: str, key: int, source: object) -> None:
        self.put(kind, key, source)
        await self.gate.wait()
        if not self.available:
            raise StateUnavailableError("no database")
        source.row()
        self.written.append(kind)

    async def stored(self, kind: str, keys: list[int]) -> None:
        await self.gate.wait()

    def kinds(self) -> list[str]:
        return sorted(kind for kind, _ in self.rows)


@pytest.fixture
async def records(server):
    server.server.records = Records()
    return server.server.records


async def waiting_session(server, records):
    """Sign in up to the last leg, which waits for its record; return client, exchange and last leg."""
    raw = await server.negotiated()
    exchange = SetupExchange(raw.connection, Initiator(USER, PASSWORD))
    await exchange.leg()
    records.gate.clear()
    last = asyncio.ensure_future(exchange.leg())
    await turn()
    return raw, exchange, last


async def waiting_tree(server, records):
    raw = await server.session()
    records.gate.clear()
    pending = await raw.begin(TreeConnectRequest(DATA))
    await turn()
    return raw, pending


async def test_session_is_stored_before_its_client_hears_of_it(server, records):
    raw, exchange, last = await waiting_session(server, records)
    assert not last.done()
    assert records.kinds() == ["session"]
    records.gate.set()
    exchange.finish(await last)
    assert records.written == ["session"]


async def test_tree_connect_is_stored_before_its_client_hears_of_it(server, records):
    raw, pending = await waiting_tree(server, records)
    assert not pending.final.done()
    records.gate.set()
    tree = raw.on_tree(await pending.response())
    assert records.written == ["session", "tcon"]
    await opened(tree)
    assert records.written == ["session", "tcon"]


async def test_no_interim_response_is_sent_meanwhile(server, records):
    """The interim delay of this server is 0: whatever may send one has sent it."""
    raw, exchange, last = await waiting_session(server, records)
    records.gate.set()
    session = exchange.finish(await last)
    raw = raw.as_session(session)
    records.gate.clear()
    pending = await raw.begin(TreeConnectRequest(DATA))
    await turn(50)
    assert not pending.interim.done()
    await raw.cancel(pending)
    await turn()
    assert not pending.final.done()
    records.gate.set()
    (await pending.response()).expect()
    assert not pending.interim.done()


async def test_other_requests_go_on_meanwhile(server, records):
    raw, pending = await waiting_tree(server, records)
    (await raw.echo()).expect()
    assert not pending.final.done()
    records.gate.set()
    (await pending.response()).expect()


async def test_related_request_waits_with_the_tree_connect(server, records):
    raw = await server.session()
    records.gate.clear()
    tree, create = await raw.begin_compound(TreeConnectRequest(DATA), create_request("a", disposition=FILE_OPEN_IF))
    await turn()
    assert not tree.final.done()
    assert not create.final.done()
    records.gate.set()
    (await tree.response()).expect()
    assert (await create.response()).expect().header.command == Opcode.CREATE


async def test_unavailable_database_stops_nobody_and_is_logged_once(server, records, caplog):
    records.available = False
    for _ in range(5):
        raw = await server.tree()
        await opened(raw)
    assert [record.levelno for record in caplog.records if "records follow" in record.message] == [logging.WARNING]
    assert records.kinds() == ["open"] * 5 + ["session"] * 5 + ["tcon"] * 5
    records.available = True
    await server.tree()
    records.available = False
    await server.tree()
    assert len([record for record in caplog.records if "records follow" in record.message]) == 2


async def test_client_that_leaves_meanwhile_leaves_nothing(server, records):
    raw, _, last = await waiting_session(server, records)
    raw.connection.close()
    await turn()
    records.gate.set()
    await turn()
    assert records.kinds() == []
    assert not server.server.sessions
    last.cancel()


async def test_client_that_leaves_during_its_tree_connect_leaves_nothing(server, records):
    raw, _ = await waiting_tree(server, records)
    raw.connection.close()
    await turn()
    records.gate.set()
    await turn()
    assert records.kinds() == []
    assert not server.server.trees


async def test_session_that_is_ended_meanwhile_is_not_promised(server, records):
    _, exchange, last = await waiting_session(server, records)
    (session,) = server.server.sessions.values()
    session.close()
    records.gate.set()
    with pytest.raises(NtError) as refused:
        exchange.finish(await last)
    assert refused.value.status is Status.USER_SESSION_DELETED
    assert records.kinds() == []


async def test_tree_connect_that_is_ended_meanwhile_is_not_promised(server, records):
    raw, pending = await waiting_tree(server, records)
    (tree,) = server.server.trees.values()
    tree.close()
    records.gate.set()
    assert (await pending.response()).status is Status.NETWORK_NAME_DELETED
    assert records.kinds() == ["session"]


async def test_an_open_that_is_closed_meanwhile_is_not_promised(server, records):
    raw = await server.tree("always")
    records.gate.clear()
    pending = await raw.begin(create_request("a", contexts=[request(persistent=True)]))
    await turn()
    (await raw.tree_disconnect()).expect()
    records.gate.set()
    assert (await pending.response()).status is Status.NETWORK_NAME_DELETED
    assert records.kinds() == ["session"]
    assert not server.volumes["always"].opens


async def test_an_open_that_is_kept_meanwhile_stays_promised(server, records):
    raw = await server.tree("always")
    records.gate.clear()
    pending = await raw.begin(create_request("a", contexts=[request(persistent=True)]))
    await turn()
    (await raw.logoff()).expect()
    records.gate.set()
    (await pending.response()).expect()
    assert records.kinds() == ["open"]
    assert len(server.server.disconnected) == 1


async def test_second_proof_of_the_same_user_does_not_wait(server, records):
    from smbcore.client.session import reauthenticate

    raw = await server.tree()
    records.gate.clear()
    await reauthenticate(raw.connection, raw.session, Initiator(USER, PASSWORD))
    assert records.written == ["session", "tcon"]


async def test_a_channel_that_is_lost_shows(server, records):
    raw = await server.session()
    other = await server.negotiated(client_guid=raw.connection.client_guid)
    await bind(other.connection, raw.session, Initiator(USER, PASSWORD))
    records.rows.clear()
    raw.connection.close()
    await turn()
    ((kind, _), session) = next(iter(records.rows.items()))
    assert kind == "session"
    assert session.row()["channels"] == 1
