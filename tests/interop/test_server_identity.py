"""Clients know a server by its GUID: the same after every restart, another one on every node  [MS-SMB2 3.3.1.5]."""

from __future__ import annotations

from pathlib import Path

from server_process import ServerProcess

from smbcore.client.connection import Connection
from smbcore.client.raw import negotiate
from smbcore.client.transport import connect_tcp


async def guid(server: ServerProcess) -> bytes:
    connection = Connection(await connect_tcp("127.0.0.1", server.port))
    try:
        return bytes((await negotiate(connection)).response.server_guid)
    finally:
        connection.close()


async def test_the_guid_stays_over_restarts_and_belongs_to_one_node(tmp_path: Path) -> None:
    one, other = ServerProcess(tmp_path / "one"), ServerProcess(tmp_path / "other")
    with one.running():
        first = await guid(one)
        assert any(first)
        for _ in range(2):
            one.stop()
            one.start()
            assert await guid(one) == first
        with other.running():
            assert await guid(other) not in (first, bytes(16))
