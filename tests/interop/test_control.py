"""What the management service tells a running core to do, and what its clients notice of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from server_process import OTHER_PASSWORD, OTHER_USER, PASSWORD, USER, ServerProcess
from sqlalchemy import Connection
from waiting import eventually, rows

from smbcore.client.files import Share, connect
from smbcore.control.client import ControlClient
from smbcore.control.errors import CommandFailed
from smbcore.control.messages import (
    CloseOpen,
    Counters,
    DisconnectSession,
    DisconnectTcon,
    DisconnectUser,
    Done,
    ListCounters,
    Ping,
    Pong,
    ReloadConfiguration,
)
from smbcore.nt.status import NtError, Status
from smbcore.state.accounts import change_account, find_account
from smbcore.state.configuration import ShareAccess
from smbcore.state.engine import open_engine, writing
from smbcore.state.schema import open_, session, tcon
from smbcore.state.shares import NewShare, change_share, create_share, delete_share, find_share

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
EVERYBODY = (ShareAccess("everyone", "full"),)
NO_KEY = 0xFFFFFFFE


@pytest.fixture
async def control(server: ServerProcess) -> AsyncIterator[ControlClient]:
    async with ControlClient(server.directory.control_socket) as client:
        yield client


async def client_of(server: ServerProcess, share: str = "files", user: str = USER, password: str = PASSWORD) -> Share:
    return await connect("127.0.0.1", share, user, password, port=server.port)


def configure(server: ServerProcess, change: Callable[[Connection], object]) -> None:
    """Change the stored configuration, as the management service does before it says so."""
    engine = open_engine(server.directory.database_url)
    with writing(engine) as connection:
        change(connection)
    engine.dispose()


def add_share(server: ServerProcess, name: str, **columns) -> Path:
    path = server.folder / name
    path.mkdir(exist_ok=True)
    new = NewShare(**{"name": name, "path": str(path), "access": EVERYBODY, **columns})
    configure(server, lambda connection: create_share(connection, new, now=NOW))
    return path


def remove_share(server: ServerProcess, name: str) -> None:
    configure(server, lambda connection: delete_share(connection, find_share(connection, name).id, now=NOW))


def alter_share(server: ServerProcess, name: str, **changes) -> None:
    configure(server, lambda connection: change_share(connection, find_share(connection, name).id, changes, now=NOW))


async def key_of_open(server: ServerProcess, path: str) -> int:
    await eventually(lambda: path in [row.path for row in rows(server, open_)])
    return next(row.key for row in rows(server, open_) if row.path == path)


def key_of_session(server: ServerProcess, share: Share) -> int:
    return next(row.key for row in rows(server, session) if row.wire_id == share.raw.session.session_id)


def status_of(error: pytest.ExceptionInfo[NtError]) -> Status:
    return error.value.status


async def test_the_core_tells_who_it_is(control: ControlClient) -> None:
    pong = await control.request(Ping())
    assert isinstance(pong, Pong)
    assert pong.software.startswith("holdfast")


async def test_counters_count(server: ServerProcess, control: ControlClient) -> None:
    share = await client_of(server)
    async with await share.open("counted.bin", "w"):
        counters = await control.request(ListCounters())
        assert isinstance(counters, Counters)
        values = counters.values
        assert (values["connections"], values["sessions"], values["tcons"], values["opens"]) == (1, 1, 1, 1)
    await share.close()


async def test_closing_an_open_takes_it_from_its_client(server: ServerProcess, control: ControlClient) -> None:
    """1 a client holds a file alone, 2 it is closed by command, 3 the client hears FILE_CLOSED, 4 others get it."""
    share = await client_of(server)
    held = await share.raw.create("held.bin", 0x120116, 3, share=0)
    file_id = held.expect().body.file_id
    with pytest.raises(NtError) as refused:
        await share.read("held.bin")
    assert status_of(refused) is Status.SHARING_VIOLATION
    key = await key_of_open(server, "held.bin")
    assert await control.request(CloseOpen(key, "test")) == Done(count=1)
    assert (await share.raw.write(file_id, 0, b"x")).status is Status.FILE_CLOSED
    assert (await share.raw.close(file_id)).status is Status.FILE_CLOSED
    assert await share.read("held.bin") == b""
    with pytest.raises(CommandFailed) as unknown:
        await control.request(CloseOpen(key))
    assert unknown.value.code == "not_found"
    await eventually(lambda: not rows(server, open_))
    await share.close()


async def test_closing_a_directory_answers_the_notify_on_it(server: ServerProcess, control: ControlClient) -> None:
    from smbcore.nt.access import FILE_GENERIC_READ
    from smbcore.nt.create import FILE_DIRECTORY_FILE
    from smbcore.wire.change_notify import ChangeNotifyRequest

    share = await client_of(server)
    await share.mkdir("watched")
    opened = await share.raw.create("watched", FILE_GENERIC_READ, options=FILE_DIRECTORY_FILE)
    waiting = await share.raw.begin(ChangeNotifyRequest(opened.expect().body.file_id, 4096, 0xFFF))
    await waiting.pending()
    await control.request(CloseOpen(await key_of_open(server, "watched")))
    assert (await waiting.response()).status is Status.NOTIFY_CLEANUP
    await share.rmdir("watched")
    await share.close()


async def test_disconnecting_a_session_drops_its_client_and_its_files(
    server: ServerProcess, control: ControlClient
) -> None:
    share, other = await client_of(server), await client_of(server)
    await share.raw.create("exclusive.bin", 0x120116, 3, share=0)
    key = key_of_session(server, share)
    assert await control.request(DisconnectSession(key, "test")) == Done(count=1)
    await share.raw.connection.wait_lost()
    await eventually(lambda: key not in [row.key for row in rows(server, session)])
    assert await other.read("exclusive.bin") == b""
    await other.close()
    with pytest.raises(CommandFailed):
        await control.request(DisconnectSession(key))


async def test_disconnecting_a_tree_leaves_the_session(server: ServerProcess, control: ControlClient) -> None:
    share = await client_of(server)
    key = next(row.key for row in rows(server, tcon) if row.session_key == key_of_session(server, share))
    assert isinstance(await control.request(DisconnectTcon(key)), Done)
    with pytest.raises(NtError) as gone:
        await share.listdir()
    assert status_of(gone) is Status.NETWORK_NAME_DELETED
    again = share.raw.on_tree(await share.raw.tree_connect(r"\\127.0.0.1\files"))
    (await again.create("", 0x120089)).expect()
    await share.close()


async def test_disconnecting_a_user_leaves_the_others(server: ServerProcess, control: ControlClient) -> None:
    first, second = await client_of(server), await client_of(server)
    other = await client_of(server, user=OTHER_USER, password=OTHER_PASSWORD)
    assert await control.request(DisconnectUser(USER.upper())) == Done(count=2)
    await first.raw.connection.wait_lost()
    await second.raw.connection.wait_lost()
    await other.listdir()
    await other.close()
    with pytest.raises(CommandFailed):
        await control.request(DisconnectSession(NO_KEY))


async def test_reload_brings_and_takes_shares_without_disturbing_others(
    server: ServerProcess, control: ControlClient
) -> None:
    """1 a file is open on one share, 2 another share comes, is used and goes, 3 the file has noticed nothing."""
    steady = await client_of(server)
    held = await steady.open("steady.bin", "a+")
    await held.write(0, b"one")
    with pytest.raises(NtError) as missing:
        await client_of(server, "fresh")
    assert status_of(missing) is Status.BAD_NETWORK_NAME

    path = add_share(server, "fresh")
    assert isinstance(await control.request(ReloadConfiguration()), Done)
    fresh = await client_of(server, "FRESH")
    kept = await fresh.open("kept.txt", "a+")
    await kept.write(0, b"on the new share")
    assert (path / "kept.txt").read_bytes() == b"on the new share"

    remove_share(server, "fresh")
    await control.request(ReloadConfiguration())
    with pytest.raises(NtError) as deleted:
        await kept.write(0, b"too late")
    assert status_of(deleted) in (Status.NETWORK_NAME_DELETED, Status.FILE_CLOSED)
    with pytest.raises(NtError) as gone:
        await client_of(server, "fresh")
    assert status_of(gone) is Status.BAD_NETWORK_NAME
    assert (path / "kept.txt").read_bytes() == b"on the new share"

    await held.write(3, b" two")
    assert await held.read(0, 7) == b"one two"
    await held.close()
    await fresh.close()
    await steady.close()


async def test_reload_changes_what_a_share_allows_while_it_is_in_use(
    server: ServerProcess, control: ControlClient
) -> None:
    """1 read-only at first, 2 writable after a reload, 3 read-only again: for the client that stays connected."""
    add_share(server, "turning", read_only=True)
    await control.request(ReloadConfiguration())
    share = await client_of(server, "turning")
    with pytest.raises(NtError) as refused:
        await share.write("a.txt", b"x")
    assert status_of(refused) in (Status.ACCESS_DENIED, Status.MEDIA_WRITE_PROTECTED)

    alter_share(server, "turning", read_only=False)
    await control.request(ReloadConfiguration())
    await share.write("a.txt", b"x")

    alter_share(server, "turning", read_only=True)
    await control.request(ReloadConfiguration())
    with pytest.raises(NtError):
        await share.write("a.txt", b"y")
    assert await share.read("a.txt") == b"x"
    await share.close()
    remove_share(server, "turning")
    await control.request(ReloadConfiguration())


async def test_reload_takes_access_away(server: ServerProcess, control: ControlClient) -> None:
    add_share(server, "guarded")
    await control.request(ReloadConfiguration())
    share = await client_of(server, "guarded", OTHER_USER, OTHER_PASSWORD)
    await share.write("a.txt", b"x")
    alter_share(server, "guarded", access=(ShareAccess("everyone", "full"), ShareAccess(f"user:{OTHER_USER}", "deny")))
    await control.request(ReloadConfiguration())
    with pytest.raises(NtError) as refused:
        await share.read("a.txt")
    assert status_of(refused) is Status.ACCESS_DENIED
    with pytest.raises(NtError) as again:
        await client_of(server, "guarded", OTHER_USER, OTHER_PASSWORD)
    assert status_of(again) is Status.ACCESS_DENIED
    assert await (await client_of(server, "guarded")).read("a.txt") == b"x"
    await share.close()
    remove_share(server, "guarded")
    await control.request(ReloadConfiguration())


async def test_disabled_user_cannot_sign_in_again(server: ServerProcess, control: ControlClient) -> None:
    def enable(connection: Connection, *, enabled: bool) -> None:
        change_account(connection, find_account(connection, OTHER_USER).id, {"enabled": enabled}, now=NOW)

    configure(server, lambda connection: enable(connection, enabled=False))
    await control.request(ReloadConfiguration())
    with pytest.raises(NtError) as refused:
        await client_of(server, user=OTHER_USER, password=OTHER_PASSWORD)
    assert status_of(refused) in (Status.ACCOUNT_DISABLED, Status.LOGON_FAILURE)
    configure(server, lambda connection: enable(connection, enabled=True))
    await control.request(ReloadConfiguration())
    await (await client_of(server, user=OTHER_USER, password=OTHER_PASSWORD)).close()
