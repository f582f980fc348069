"""Server and client together, over a real socket."""

from __future__ import annotations

import asyncio
import socket

import pytest

from smbcore.control.client import ControlClient, call
from smbcore.control.errors import CommandFailed, ControlUnavailable
from smbcore.control.messages import (
    Changed,
    CloseOpen,
    Counters,
    DisconnectUser,
    Done,
    ListCounters,
    Ping,
    Pong,
    ReloadConfiguration,
    Subscribe,
)
from smbcore.control.server import MAX_BACKLOG, ControlServer
from smbcore.control.wire import MAX_LINE, decode, encode

PONG = Pong("node", "boot", "holdfast", "2026-01-01T00:00:00+00:00")


class Core:
    """A handler that answers by the command."""

    def __init__(self):
        self.hold = asyncio.Event()
        self.holding = asyncio.Event()

    async def handle(self, message):
        match message:
            case Ping():
                return PONG
            case CloseOpen(open_key=404):
                raise CommandFailed("not_found", "There is no such open.")
            case CloseOpen(open_key=key):
                return Done(f"closed {key}", 1)
            case ListCounters():
                return Counters({"opens": 1})
            case ReloadConfiguration():
                self.holding.set()
                await self.hold.wait()
                return Done("reloaded", 2)
            case DisconnectUser():
                return Done("x" * MAX_LINE)
        raise ZeroDivisionError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control.sock"


@pytest.fixture
def core():
    return Core()


@pytest.fixture
async def server(path, core):
    made = ControlServer(path, core.handle)
    await made.start()
    yield made
    core.hold.set()
    await made.stop()
    assert not path.exists()


@pytest.fixture
async def client(server, path):
    async with ControlClient(path) as made:
        yield made


async def test_commands_get_their_replies(client):
    assert await client.request(Ping()) == PONG
    assert await client.request(CloseOpen(7)) == Done("closed 7", 1)
    assert await client.request(ListCounters()) == Counters({"opens": 1})


async def test_tasks_may_share_a_client(client):
    replies = await asyncio.gather(*(client.request(CloseOpen(key)) for key in range(20)))
    assert replies == [Done(f"closed {key}", 1) for key in range(20)]


async def test_a_refusal_reaches_the_caller(client):
    with pytest.raises(CommandFailed, match="There is no such open.") as caught:
        await client.request(CloseOpen(404))
    assert caught.value.code == "not_found"
    assert await client.request(Ping()) == PONG


async def test_a_bug_in_the_core_is_logged_and_told_without_details(client, caplog):
    with pytest.raises(CommandFailed) as caught:
        await client.request(Done())
    assert caught.value.code == "internal"
    assert "ZeroDivisionError" in caplog.text
    assert await client.request(Ping()) == PONG


async def test_a_reply_that_is_too_long_is_a_failure(client):
    with pytest.raises(CommandFailed) as caught:
        await client.request(DisconnectUser("x"))
    assert caught.value.code == "internal"


async def test_a_slow_command_does_not_hold_up_others(server, core, path):
    async with ControlClient(path) as slow, ControlClient(path) as quick:
        waiting = asyncio.create_task(slow.request(ReloadConfiguration()))
        await core.holding.wait()
        assert await quick.request(Ping()) == PONG
        core.hold.set()
        assert await waiting == Done("reloaded", 2)


async def test_commands_of_one_connection_run_side_by_side(server, core, path):
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(encode(1, ReloadConfiguration()) + encode(2, Ping()))
    assert decode(await reader.readline()) == (2, PONG)
    core.hold.set()
    assert decode(await reader.readline()) == (1, Done("reloaded", 2))
    writer.close()
    await writer.wait_closed()


async def test_a_late_answer_is_a_clear_error_and_meets_no_later_command(server, core, path):
    async with ControlClient(path, timeout=0.01) as client:
        with pytest.raises(ControlUnavailable, match="did not answer in time"):
            await client.request(ReloadConfiguration())
        core.hold.set()
        client._timeout = 10  # noqa: SLF001 - the rest must not depend on how busy the machine is
        assert await client.request(Ping()) == PONG


async def test_nobody_there_is_a_clear_error(path):
    async with ControlClient(path) as client:
        with pytest.raises(ControlUnavailable, match="is not running"):
            await client.request(Ping())
        with pytest.raises(ControlUnavailable, match="is not running"):
            await anext(client.subscribe())
    with pytest.raises(ControlUnavailable, match="is not running"):
        call(path, Ping())


async def test_a_client_outlives_a_restart_of_the_core(path, core):
    async with ControlClient(path) as client:
        for _ in range(3):
            server = ControlServer(path, core.handle)
            await server.start()
            assert await client.request(Ping()) == PONG
            await server.stop()
            with pytest.raises(ControlUnavailable):
                await client.request(Ping())


async def test_the_command_line_needs_no_loop(server, path):
    assert await asyncio.to_thread(call, path, Ping()) == PONG
    with pytest.raises(CommandFailed, match="no such open"):
        await asyncio.to_thread(call, path, CloseOpen(404))


async def test_other_users_are_turned_away(path, core):
    server = ControlServer(path, core.handle, uid_of=lambda _: 12345)
    await server.start()
    async with ControlClient(path) as client:
        with pytest.raises(ControlUnavailable):
            await client.request(Ping())
    await server.stop()


@pytest.mark.parametrize(
    "garbage", [b"hello\n", b"x" * (MAX_LINE + 1), b'{"id":1,"type":"Nope","body":{}}\n', b"cut off"]
)
async def test_garbage_ends_the_connection_only(server, path, garbage):
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(garbage)
    writer.write_eof()
    try:
        assert await reader.read() == b""
    except ConnectionError:
        pass  # cut off by the server while we were still writing
    writer.close()
    async with ControlClient(path) as client:
        assert await client.request(Ping()) == PONG


async def subscribed(server, path, topics):
    """Return a subscription that the server knows of."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(encode(9, Subscribe(topics)))
    assert decode(await reader.readline()) == (9, Done())
    return reader, writer


async def test_subscribers_hear_of_their_topics(server, path):
    all_reader, all_writer = await subscribed(server, path, [])
    reader, writer = await subscribed(server, path, ["shares", "opens"])
    server.publish(1, {"sessions"})
    server.publish(2, {"opens", "sessions"})
    assert decode(await all_reader.readline()) == (9, Changed(1, ["sessions"]))
    assert decode(await all_reader.readline()) == (9, Changed(2, ["opens", "sessions"]))
    assert decode(await reader.readline()) == (9, Changed(2, ["opens"]))
    for one in (all_writer, writer):
        one.close()
        await one.wait_closed()


async def test_the_client_yields_hints_until_the_core_goes(path, core):
    server = ControlServer(path, core.handle)
    await server.start()
    async with ControlClient(path) as client:
        hints = client.subscribe(["opens"])
        first = asyncio.create_task(anext(hints))
        number = 0
        while not first.done():
            number += 1
            server.publish(number, {"opens"})
            await asyncio.sleep(0)
        assert (await first).topics == ["opens"]
        await server.stop()
        with pytest.raises(ControlUnavailable):
            async for _ in hints:
                pass


async def test_a_subscriber_that_does_not_read_is_cut_off(server, path, caplog):
    plain = socket.socket(socket.AF_UNIX)
    plain.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plain, str(path))
    await loop.sock_sendall(plain, encode(1, Subscribe([])))
    assert await loop.sock_recv(plain, 4096) == encode(1, Done())
    topics = {f"topic{number}" for number in range(1000)}
    published = 0
    while "does not keep up" not in caplog.text:
        published += 1
        assert published < 10_000
        server.publish(published, topics)
    sent = published * len(encode(1, Changed(1, sorted(topics))))
    assert sent > MAX_BACKLOG
    plain.close()
    async with ControlClient(path) as client:
        assert await client.request(Ping()) == PONG


async def test_a_second_server_does_not_take_the_place_of_the_first(server, path, core):
    with pytest.raises(ControlUnavailable, match="another server"):
        await ControlServer(path, core.handle).start()
    assert await asyncio.to_thread(call, path, Ping()) == PONG


async def test_stopping_waits_for_commands_and_may_be_repeated(path, core):
    server = ControlServer(path, core.handle)
    await server.start()
    async with ControlClient(path) as client:
        waiting = asyncio.create_task(client.request(ReloadConfiguration()))
        await core.holding.wait()
        core.hold.set()
        await server.stop()
        with pytest.raises(ControlUnavailable):
            await waiting
    await server.stop()
